"""The system's processes as tests start them: the real ones, on ports and folders of their own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from launcher import procfile, redis_server
from launcher.parent_death import stop_with_this_process

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
# Bounds a hang, no more: whatever a test waits for has failed after so long, on any machine.
HANG_S = 60.0
OUR_TRACEBACK = re.compile(rf'  File "{re.escape(str(ROOT))}/(?!\.venv)')


class ServerFailedError(Exception):
    """A process ended, or was not ready in time. Carries what it last printed."""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def runs(pid: int) -> bool:
    """Is there such a process, and not only its remains?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def eventually(happened: Callable[[], object], seconds: float = HANG_S) -> bool:
    """Look until it has happened, twenty times a second at most; False where it never does."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Server:
    """One real process in a session of its own; what it prints goes to `output`."""

    def __init__(
        self, command: Sequence[str], output: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.output, self.name = output, " ".join(command)
        with output.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=stop_with_this_process(),  # noqa: PLW1509 (system calls alone)
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def await_ready(self, ready: Callable[[], object], seconds: float = HANG_S) -> None:
        eventually(lambda: self.process.poll() is not None or ready(), seconds)
        if self.process.poll() is not None or not ready():
            self.kill()
            raise ServerFailedError(f"{self.name}: {self.text()[-3000:]}")

    def stop(self, by: signal.Signals = signal.SIGTERM, seconds: float = HANG_S) -> int:
        """Ask it to stop and wait; killed, and an error, where it is still there after that."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailedError(
                f"{self.name} did not stop in {seconds} s: {self.text()[-3000:]}"
            ) from None

    def kill(self) -> None:
        """SIGKILL for it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def frozen(server: Server) -> Iterator[None]:
    """SIGSTOP for it and all that it started, for a while."""
    stopped = []
    for pid in family(server.pid):
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
    yield
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it, each before its children, which are looked for late:
    who stops it as it comes lets it have no more. A group is not enough, a server of PostgreSQL
    gives each child its own.
    """
    yield pid
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from family(int(child))


def is_healthy(url: str) -> bool:
    """Does the site at `url` say that all its parts are alive?"""
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{url}/health", timeout=HANG_S).status_code == 200
    return False


class Redis(Server):
    """A Redis of its own on a Unix socket in `folder`; starting again there finds its data."""

    def __init__(self, folder: Path, *, wait: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        log = folder / "redis.log"
        log.touch()
        super().__init__(redis_server.command(self.socket, folder, log), log)
        if wait:
            self.await_listening()

    def await_listening(self) -> None:
        self.await_ready(self._listens)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0


class Sandbox(Server):
    """The exchange of our own on a free port, with the options of `python -m sandbox`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.rest_url = f"http://127.0.0.1:{self.port}"
        self.stream_url = f"ws://127.0.0.1:{self.port}"
        self.ws_api_url = f"{self.stream_url}/ws-api/v3"
        command = [PYTHON, "-m", "sandbox", "--port", str(self.port), *options]
        super().__init__(command, folder / f"sandbox-{self.port}.log")
        self.await_ready(lambda: answers(self.port))

    def inject(self, fault: str, **parameters: object) -> dict[str, Any]:
        """Have a fault happen; see `sandbox.faults.registry`. Returns its answer."""
        return self._told("faults", {"fault": fault, **parameters})

    def storm(self, seed: int, every_s: float, *faults: str) -> None:
        """Have faults strike at random, in place of any storm before; all of feeds, or these."""
        named = {"faults": faults} if faults else {}
        self._told("storm", {"seed": seed, "every_s": every_s, **named})

    def _told(self, page: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(f"{self.rest_url}/sandbox/{page}", json=body, timeout=HANG_S)
        assert answer.ok, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def ledger(self) -> dict[str, Any]:
        """What really happened there; docs/sandbox-faults.md says what it holds."""
        answer = requests.get(f"{self.rest_url}/sandbox/ledger", timeout=HANG_S)
        found: dict[str, Any] = answer.json()
        return found

    def calm(self) -> list[dict[str, Any]]:
        """End the storm and every fault in force; returns all that were injected."""
        url = f"{self.rest_url}/sandbox/faults"
        requests.delete(url, timeout=HANG_S).raise_for_status()
        injected: list[dict[str, Any]] = requests.get(url, timeout=HANG_S).json()["injected"]
        return injected

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead a process of ours to this exchange."""
        return {
            "SANDBOX_PORT": str(self.port),
            "BINANCE_REST_URL": self.rest_url,
            "BINANCE_STREAM_URL": self.stream_url,
            "BINANCE_WS_API_URL": self.ws_api_url,
        }


class Site:
    """A whole system of its own: folder, Redis, ports, and the Procfile's processes by name.

    `settings` are further variables of the environment, the sandbox's among them.
    """

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.redis = Redis(folder)
        self.port, self.ws_port = free_port(), free_port()
        self.url, self.ws_url = f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.ws_port}"
        self.processes: list[Server] = []
        self.environment = {
            "PATH": os.pathsep.join([str(Path(PYTHON).parent), os.environ["PATH"]]),
            "PYTHONUNBUFFERED": "1",
            "VAR_DIR": str(folder),
            "REDIS_URL": self.redis.url,
            "BIND": "127.0.0.1",
            "PORT": str(self.port),
            "WS_PORT": str(self.ws_port),
        } | settings
        self.manage("prepare")

    def manage(self, *words: str) -> str:
        """What `manage.py` prints; AssertionError with it where it fails."""
        done = subprocess.run(
            [PYTHON, "manage.py", *words],
            cwd=ROOT,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str) -> Server:
        """`web`, `stream`, `worker` or `beat`, by the Procfile's own command."""
        command = procfile.commands()[name]
        output = self.folder / f"{name}-{len(self.processes)}.log"
        server = Server(["sh", "-c", f"exec {command}"], output, self.environment)
        self.processes.append(server)
        if name == "web":
            server.await_ready(lambda: answers(self.port) and answers(self.ws_port))
        return server

    def stop(self) -> None:
        """Stop all. AssertionError where a process complained of what must not happen."""
        for server in self.processes:
            server.stop()
        self.redis.stop()
        for server in self.processes:
            text = server.text()
            # A library that stumbles over a Redis that was killed is not ours to mend.
            ours = OUR_TRACEBACK.search(text)
            assert ours is None, text[max(0, ours.start() - 3000) : ours.start() + 2000]
            for complaint in ("reaction.failed", "database is locked"):
                assert complaint not in text, text[-5000:]
