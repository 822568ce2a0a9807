"""The whole system under one honcho: Redis, the sandbox, and the Procfile's processes."""

import multiprocessing
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import redis
from honcho.environ import parse_procfile
from honcho.manager import Manager

from launcher import redis_server
from launcher.kept import KeptProcess
from launcher.ready import announce_when_ready, listens
from tradingsite import settings


class System(Manager):  # type: ignore[misc]
    """Honcho, but for two things: who dies is started again, and who stops stops in order."""

    def __init__(self) -> None:
        super().__init__()
        self._process_ctor = KeptProcess

    def keep(
        self,
        name: str,
        command: str,
        *,
        needs: tuple[Callable[[], bool], ...] = (),
        outlives: tuple[KeptProcess, ...] = (),
    ) -> KeptProcess:
        kept: KeptProcess = self.add_process(
            name, command, env=environment(), cwd=str(settings.BASE_DIR)
        )
        kept.gone = multiprocessing.Event()
        kept.needs = needs
        kept.outlives = tuple(other.gone for other in outlives)
        return kept

    def _start(self) -> None:
        super()._start()
        # A thread, and so only after all forks.
        Thread(target=announce_when_ready, args=[self._system_print], daemon=True).start()

    def _killall(self, force: bool = False) -> None:
        """Ask all to stop. Each waits for its turn, and kills what does not obey it."""
        if not force:
            for process in self._processes.values():
                process["process"].terminate()


def assemble() -> System:
    """All processes that the settings ask for; `loop()` runs them until SIGINT or SIGTERM."""
    system = System()
    needs: tuple[Callable[[], bool], ...] = ()
    if settings.STARTS_REDIS:
        needs += (redis_answers,)
    if settings.STARTS_SANDBOX:
        needs += (sandbox_listens,)
    procfile = parse_procfile((settings.BASE_DIR / "Procfile").read_text())
    site = tuple(
        system.keep(name, command, needs=needs) for name, command in procfile.processes.items()
    )
    if settings.STARTS_SANDBOX:
        site += (system.keep("sandbox", sandbox_command(), outlives=site),)
    if settings.STARTS_REDIS:
        system.keep("redis", redis_command(), outlives=site)
    return system


def environment() -> dict[str, str]:
    """What the Procfile's commands see: the settings' own ports, and this virtualenv first."""
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "VAR_DIR": str(settings.VAR_DIR),
        "BIND": settings.BIND,
        "PORT": str(settings.PORT),
        "WS_PORT": str(settings.WS_PORT),
    }


def sandbox_command() -> str:
    words = ["python", "-m", "sandbox", "--port", str(settings.SANDBOX_PORT)]
    words += ["--seed", str(settings.SANDBOX_SEED), "--symbols", ",".join(settings.SYMBOLS)]
    if settings.SANDBOX_REPLAY:
        words += ["--speed", str(settings.SANDBOX_SPEED)]
        words += ["--replay", *(str(file) for file in settings.SANDBOX_REPLAY)]
    return shlex.join(words)


def redis_command() -> str:
    folder, logs = settings.VAR_DIR / "redis", settings.VAR_DIR / "log"
    for needed in (folder, logs):
        needed.mkdir(exist_ok=True)
    return shlex.join(redis_server.command(settings.REDIS_SOCKET, folder, logs / "redis.log"))


def redis_answers() -> bool:
    """Is it there, and done with reading its file?"""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def sandbox_listens() -> bool:
    return listens("127.0.0.1", settings.SANDBOX_PORT)
