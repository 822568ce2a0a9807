"""`make run` after its set-up: the launcher and all that it starts, in a folder of its own."""

import os
import signal
from pathlib import Path

import pytest

from tests.servers import HANG_S, PYTHON, Server, eventually, free_port, is_healthy, runs

pytestmark = pytest.mark.processes
COMMANDS = {
    "stream": "manage.py runstream",
    "worker": "tradingsite --quiet worker",
    "beat": "tradingsite --quiet beat",
    "web": "daphne",
    "sandbox": "-m sandbox",
    "redis": "redis.sock",
}


class Launched(Server):
    """The launcher in `folder`, on free ports."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        ports = {name: str(free_port()) for name in ("PORT", "WS_PORT", "SANDBOX_PORT")}
        self.url = f"http://127.0.0.1:{ports['PORT']}"
        settings = ports | {"VAR_DIR": str(folder), "DATABASE_URL": database_url, "REDIS_URL": ""}
        super().__init__([PYTHON, "-m", "launcher"], folder / "terminal.log", settings)

    def await_healthy(self) -> None:
        self.await_ready(lambda: is_healthy(self.url), 2 * HANG_S)

    def is_up(self) -> bool:
        return "Ctrl+C stops everything" in self.text()

    def processes(self) -> dict[int, str]:
        """The command lines of all that runs in this system's folder, by process id."""
        mark = str(self.folder)
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                settings = (process / "environ").read_text(errors="replace")
            except OSError:
                continue
            if (mark in settings or mark in command) and runs(int(process.name)):
                found[int(process.name)] = command
        return found

    def pids_of(self, name: str) -> set[int]:
        return {pid for pid, command in self.processes().items() if COMMANDS[name] in command}


def test_it_starts_stops_cleanly_and_goes_on(own_folder, own_database):
    first = Launched(own_folder, own_database)
    first.await_healthy()
    password = (own_folder / "admin_password").read_text().strip()
    assert f"user admin, password {password}" in first.text()
    assert first.stop(signal.SIGINT) == 0
    assert first.processes() == {}
    assert not (own_folder / "redis.sock").exists()
    assert "Traceback" not in first.text()

    again = Launched(own_folder, own_database)
    again.await_healthy()
    again.stop()
    assert again.text().count(password) == 1, "a password is shown at the first start alone"
    assert again.processes() == {}


def test_whoever_is_killed_comes_back(own_folder, own_database):
    system = Launched(own_folder, own_database)
    system.await_healthy()
    before = {name: system.pids_of(name) for name in COMMANDS}
    assert all(before.values())
    for pid in set().union(*before.values()):
        os.kill(pid, signal.SIGKILL)
    for name, killed in before.items():
        assert eventually(lambda n=name, k=killed: system.pids_of(n) - k), name
    assert eventually(lambda: is_healthy(system.url), 2 * HANG_S)
    system.stop()


def test_a_second_one_in_the_same_folder_is_refused(own_folder):
    first = Launched(own_folder)
    first.await_ready(first.is_up)
    second = Launched(own_folder)
    assert second.process.wait(HANG_S) == 2
    assert f"VAR_DIR={own_folder} is in use" in second.text()
    first.stop()


def test_nothing_outlives_a_killed_launcher(own_folder):
    system = Launched(own_folder)
    system.await_ready(system.is_up)
    system.process.kill()
    system.process.wait()
    assert eventually(lambda: not system.processes())


def test_wrong_settings_end_it_with_one_line(own_folder):
    settings = {"VAR_DIR": str(own_folder), "SMA_PERIOD": "many"}
    refused = Server([PYTHON, "-m", "launcher"], own_folder / "terminal.log", settings)
    assert refused.process.wait(HANG_S) == 1
    assert refused.text().splitlines() == [
        "SMA_PERIOD='many' cannot be used: use a whole number from 1 to 1000"
    ]
