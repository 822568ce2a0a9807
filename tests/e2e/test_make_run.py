"""`make run` after its set-up: the launcher and all that it starts, in a folder of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.servers import PYTHON, Server, eventually, free_port, runs

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

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        ports = {name: str(free_port()) for name in ("PORT", "WS_PORT", "SANDBOX_PORT")}
        self.url = f"http://127.0.0.1:{ports['PORT']}"
        settings = ports | {"VAR_DIR": str(folder), "DATABASE_URL": database_url, "REDIS_URL": ""}
        super().__init__([PYTHON, "-m", "launcher"], folder / "terminal.log", settings)

    def is_healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def await_healthy(self, seconds: float = 30.0) -> None:
        self.await_ready(self.is_healthy, seconds)

    def processes(self) -> dict[int, str]:
        """All that runs in this system's folder, by process id."""
        mark = f"VAR_DIR={self.folder}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                inside = mark in (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if inside and runs(int(folder.name)):
                found[int(folder.name)] = command
        return found

    def pids_of(self, name: str) -> set[int]:
        return {pid for pid, command in self.processes().items() if COMMANDS[name] in command}


@pytest.fixture
def launched(own_folder: Path, own_database: str) -> Iterator[Launched]:
    system = Launched(own_folder, own_database)
    yield system
    system.stop()


def test_it_starts_stops_cleanly_and_goes_on(launched, own_folder, own_database):
    launched.await_healthy()
    first_login = (own_folder / "admin_password").read_text().strip()
    assert f"user admin, password {first_login}" in launched.text()
    assert launched.stop(signal.SIGINT, seconds=8) == 0
    assert launched.processes() == {}
    assert not (own_folder / "redis.sock").exists()
    assert "Traceback" not in launched.text()

    again = Launched(own_folder, own_database)
    again.await_healthy(20)
    assert again.text().count(first_login) == 1, "a password is shown at the first start alone"
    again.stop()
    assert again.processes() == {}


@pytest.mark.parametrize("name", ["worker", "stream", "web", "beat", "sandbox", "redis"])
def test_a_killed_process_comes_back(launched, name):
    launched.await_healthy()
    before = launched.pids_of(name)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: launched.pids_of(name) - before, 15)
    launched.await_healthy(40)


def test_nothing_outlives_a_killed_launcher(launched):
    launched.await_healthy()
    launched.process.kill()
    launched.process.wait()
    assert eventually(lambda: not launched.processes(), 15)


def test_a_second_one_in_the_same_folder_is_refused(launched, own_folder, own_database):
    launched.await_healthy()
    second = Launched(own_folder, own_database)
    assert second.process.wait(10) == 2
    assert f"VAR_DIR={own_folder} is in use" in second.text()
    assert launched.is_healthy()


def test_wrong_settings_end_it_with_one_line(own_folder):
    settings = {"VAR_DIR": str(own_folder), "SMA_PERIOD": "many"}
    refused = Server([PYTHON, "-m", "launcher"], own_folder / "terminal.log", settings)
    assert refused.process.wait(20) == 1
    assert refused.text().splitlines() == [
        "SMA_PERIOD='many' cannot be used: use a whole number from 1 to 1000"
    ]
