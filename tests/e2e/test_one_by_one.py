"""Processes started one by one where nothing is there yet, as the README's table invites to."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from launcher import procfile
from tests.environment import ON_POSTGRES
from tests.servers import HANG_S, PYTHON, ROOT, Redis, Server, eventually, free_port
from tests.servers import is_healthy as healthy

pytestmark = [pytest.mark.processes, pytest.mark.timeout(5 * HANG_S)]
NAMES = ("stream", "worker", "beat", "web")
WATCHED_S = 8.0
MAX_LINES = 14  # in that time, of each process: a first one of each thing missing, and few more


class Fresh:
    """A fresh clone: no folder, no Redis, no exchange; settings lead to where they will be."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.exchange = folder, free_port(), free_port()
        self.processes: dict[str, Server] = {}
        self.environment = {
            "PATH": os.pathsep.join([str(Path(PYTHON).parent), os.environ["PATH"]]),
            "PYTHONUNBUFFERED": "1",
            "VAR_DIR": str(folder / "var"),
            "REDIS_URL": f"unix://{folder / 'redis' / 'redis.sock'}",
            "SANDBOX_PORT": str(self.exchange),
            "PORT": str(self.port),
            "WS_PORT": str(free_port()),
            "SECRET_KEY": "",
            "DATABASE_URL": "",
        }

    def start(self, name: str) -> Server:
        command = ["sh", "-c", f"exec {procfile.commands()[name]}"]
        server = Server(command, self.folder / f"{name}.log", self.environment)
        self.processes[name] = server
        return server

    def prepare(self) -> None:
        subprocess.run(
            [PYTHON, "manage.py", "prepare"],
            cwd=ROOT,
            env=os.environ | self.environment,
            check=True,
        )

    def start_exchange(self) -> Server:
        command = [PYTHON, "-m", "sandbox", "--port", str(self.exchange)]
        server = Server(command, self.folder / "sandbox.log")
        self.processes["sandbox"] = server
        return server


@pytest.fixture
def fresh(own_folder: Path) -> Iterator[Fresh]:
    clone = Fresh(own_folder)
    yield clone
    for server in clone.processes.values():
        server.kill()


def test_each_says_once_what_is_missing_and_goes_on_by_itself(fresh):
    for name in NAMES:
        fresh.start(name)
    url = f"http://127.0.0.1:{fresh.port}"
    for name in ("stream", "worker", "web"):
        said = fresh.processes[name].text
        assert eventually(lambda said=said: "manage.py prepare" in said()), said()
    beat = fresh.processes["beat"].text
    assert eventually(lambda: "REDIS_URL" in beat()), beat()
    assert eventually(lambda: answer(url) == 503)
    page, health = requests.get(url, timeout=HANG_S), requests.get(f"{url}/health", timeout=HANG_S)
    assert (page.status_code, health.status_code) == (503, 503)
    assert "python manage.py prepare" in page.text
    assert "python manage.py prepare" in health.json()["error"]
    time.sleep(WATCHED_S)
    for name in NAMES:
        text = fresh.processes[name].text()
        assert fresh.processes[name].process.poll() is None, text
        assert "Traceback" not in text
        assert text.count("manage.py prepare") <= 4, text
        assert len(text.splitlines()) <= MAX_LINES, text

    fresh.prepare()
    redis = Redis(fresh.folder / "redis")
    fresh.processes["redis"] = redis
    fresh.start_exchange()
    assert eventually(lambda: healthy(url), 2 * HANG_S), {
        name: server.text() for name, server in fresh.processes.items()
    }


def answer(url: str) -> int:
    try:
        return requests.get(url, timeout=HANG_S).status_code
    except requests.RequestException:
        return 0


def test_without_redis_and_exchange_each_says_so_rarely(fresh):
    fresh.prepare()
    for name in NAMES:
        fresh.start(name)
    stream, worker, beat = (fresh.processes[name].text for name in NAMES[:3])
    assert eventually(lambda: "python -m sandbox" in stream()), stream()
    assert eventually(lambda: "REDIS_URL" in worker()), worker()
    assert eventually(lambda: "REDIS_URL" in beat()), beat()
    fresh.start_exchange()
    assert eventually(lambda: "REDIS_URL" in stream()), stream()
    time.sleep(WATCHED_S)
    for name in NAMES:
        text = fresh.processes[name].text()
        assert fresh.processes[name].process.poll() is None, text
        assert "Traceback" not in text, text
        assert len(text.splitlines()) <= MAX_LINES, text
    fresh.processes["redis"] = Redis(fresh.folder / "redis")
    url = f"http://127.0.0.1:{fresh.port}"
    assert eventually(lambda: healthy(url), 2 * HANG_S), {
        name: server.text() for name, server in fresh.processes.items()
    }


def zeros_in_the_middle(good: bytes) -> bytes:
    return good[:12_288] + bytes(81_920) + good[94_208:]


def cut_in_half(good: bytes) -> bytes:
    return good[: len(good) // 2]


def another_file(good: bytes) -> bytes:
    return b"no database " * (len(good) // 12)


def tells_of_damage_in_one_line(fresh, file, lines):
    """So many lines at most, of which the stream's and the worker's are their last ones."""
    for name, server in fresh.processes.items():
        if name == "stream" or (name == "worker" and lines[name] == 1):
            assert eventually(lambda server=server: server.process.poll() is not None)
        if name in lines:
            text = server.text()
            assert "Traceback" not in text, text
            told = text.count(f"{file} is damaged")
            assert min(1, lines[name]) <= told <= lines[name], text
            assert text.count("Restore a backup") == told


@pytest.mark.slow
@pytest.mark.skipif(ON_POSTGRES, reason="damages an SQLite file")
@pytest.mark.parametrize("damaged", [zeros_in_the_middle, cut_in_half, another_file])
def test_a_damaged_database_is_told_in_one_line_and_once_mended_all_go_on(fresh, damaged):
    fresh.prepare()
    fresh.processes["redis"] = Redis(fresh.folder / "redis")
    fresh.start_exchange()
    file = fresh.folder / "var" / "db.sqlite3"
    good = file.read_bytes()
    file.write_bytes(damaged(good))
    for name in NAMES:
        fresh.start(name)
    url = f"http://127.0.0.1:{fresh.port}"
    assert eventually(lambda: answer(f"{url}/trades") == 503)
    assert requests.get(f"{url}/trades", timeout=HANG_S).json()["error"] == "database_damaged"
    assert requests.get(f"{url}/health", timeout=HANG_S).status_code == 503
    tells_of_damage_in_one_line(fresh, file, {"stream": 1, "worker": 1, "beat": 0, "web": 1})

    file.write_bytes(good)
    for name in ("stream", "worker"):
        fresh.start(name)
    assert eventually(lambda: healthy(url), 2 * HANG_S), {
        name: server.text() for name, server in fresh.processes.items()
    }


@pytest.mark.slow
@pytest.mark.skipif(ON_POSTGRES, reason="damages an SQLite file")
def test_a_database_that_is_damaged_while_all_run_is_told_rarely(fresh):
    fresh.prepare()
    fresh.processes["redis"] = Redis(fresh.folder / "redis")
    fresh.start_exchange()
    for name in NAMES:
        fresh.start(name)
    url = f"http://127.0.0.1:{fresh.port}"
    assert eventually(lambda: healthy(url), 2 * HANG_S)
    file = fresh.folder / "var" / "db.sqlite3"
    with file.open("r+b") as pages:
        pages.write(bytes(file.stat().st_size))
    assert eventually(lambda: "is damaged" in fresh.processes["worker"].text())
    time.sleep(3 * WATCHED_S)
    assert requests.get(f"{url}/health", timeout=HANG_S).status_code == 503
    # A worker has two children, each of which tells, and after 5 and 10 seconds again.
    tells_of_damage_in_one_line(fresh, file, {"stream": 1, "worker": 6, "beat": 0, "web": 0})
