"""Processes started one by one where nothing is there yet, as the README's table invites to."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from launcher import procfile
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
