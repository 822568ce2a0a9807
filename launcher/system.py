"""The whole system: Redis, the sandbox, and the Procfile's processes, in their order."""

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from launcher import procfile, redis_server
from launcher.configuration import Configuration
from launcher.output import Output
from launcher.preflight import CannotStart, make_folder
from launcher.preparation import NAME as PREPARE
from launcher.preparation import Preparation
from launcher.ready import announce_when_ready, listens
from launcher.supervisor import Supervisor

REDIS, SANDBOX = "redis", "sandbox"
NAMES = (*procfile.commands(), SANDBOX, REDIS, PREPARE)
SITE_KILLED_AFTER_S = 4.0  # since the stop began; so are those of the servers below
READY_WITHIN_S = 20.0  # then the site starts anyway: every part can wait for a dead one itself
LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Dependency:
    """A server of ours that the site needs: it starts before the site and stops after it."""

    name: str
    command: str
    is_ready: Callable[[], Awaitable[bool]]
    killed_after_s: float


async def run(
    configuration: Configuration, preparation: Preparation, output: Output, lock: int
) -> int:
    """Run all that the settings ask for until this is cancelled, or nothing where the preparation
    fails: then its exit code is returned. The descriptor `lock` stays open in all of it.

    Raises CannotStart where a process cannot run with these settings, or on this disk.
    """
    supervisor = Supervisor(
        output,
        folder=procfile.ROOT,
        environment=environment(configuration),
        keep_open=[lock],
        logs={REDIS: redis_log(configuration)},
    )
    with closing(supervisor):
        try:
            return await _run(configuration, preparation, output, supervisor)
        except asyncio.CancelledError:
            if supervisor.unusable is None:
                raise
            raise CannotStart(
                f"{supervisor.unusable} cannot run like this, and nothing is started again:"
                " mend what it names above, then start anew"
            ) from None


async def _run(
    configuration: Configuration, preparation: Preparation, output: Output, supervisor: Supervisor
) -> int:
    async with AsyncExitStack() as stack:  # what comes last stops first
        servers = list(dependencies(configuration))
        for server in servers:
            await stack.enter_async_context(
                supervisor.running(
                    {server.name: server.command}, killed_after_s=server.killed_after_s
                )
            )
        if code := await preparation.finish(output):
            return code  # it has said why
        await ready(servers)
        await stack.enter_async_context(
            supervisor.running(procfile.commands(), killed_after_s=SITE_KILLED_AFTER_S)
        )
        await announce_when_ready(configuration, output.say)
        await asyncio.Event().wait()
    return 0


def dependencies(configuration: Configuration) -> Iterator[Dependency]:
    """Those that the settings ask for, in the order of their start."""
    if configuration.starts_redis:
        socket = Path(configuration.redis_socket)
        yield Dependency(
            name=REDIS,
            command=redis_command(configuration),
            is_ready=lambda: redis_server.answers(socket),
            killed_after_s=5.0,
        )
    if configuration.starts_sandbox:
        yield Dependency(
            name=SANDBOX,
            command=sandbox_command(configuration),
            is_ready=lambda: listens("127.0.0.1", configuration.sandbox_port),
            killed_after_s=4.5,
        )


async def ready(servers: list[Dependency]) -> None:
    """Wait until all are, READY_WITHIN_S at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_WITHIN_S):
            for server in servers:
                while not await server.is_ready():
                    await asyncio.sleep(LOOK_EVERY_S)


def environment(configuration: Configuration) -> dict[str, str]:
    """Variables of the commands: the settings' own ports, and this virtualenv first."""
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        # An arena for each thread keeps what another one could use.
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
        "VAR_DIR": configuration.var_dir,
        "BIND": configuration.bind,
        "PORT": str(configuration.port),
        "WS_PORT": str(configuration.ws_port),
    }


def redis_log(configuration: Configuration) -> Path:
    return Path(configuration.var_dir, "log", "redis.log")


def redis_command(configuration: Configuration) -> str:
    folder, log = Path(configuration.var_dir, "redis"), redis_log(configuration)
    for path in (folder, log.parent):
        make_folder(path)
    socket = Path(configuration.redis_socket)
    words = ["python", "-m", "launcher.redis_server"]
    return shlex.join([*words, *map(str, (socket, folder, log))])


def sandbox_command(configuration: Configuration) -> str:
    words = ["python", "-m", "sandbox", "--port", str(configuration.sandbox_port)]
    words += ["--seed", str(configuration.sandbox_seed)]
    words += ["--symbols", ",".join(configuration.symbols)]
    if configuration.sandbox_replay:
        words += ["--speed", configuration.sandbox_speed]
        words += ["--replay", *configuration.sandbox_replay]
    return shlex.join(words)
