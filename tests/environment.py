"""The world that tests run in, made before Django reads its settings (`-p tests.environment`).

No test sees the developer's variables, `.env`, database or Redis: every setting is emptied,
and VAR_DIR, a private Redis and the database are new ones. TEST_DATABASE=postgres has a
PostgreSQL started; without it the database is SQLite.
"""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests import postgres
from tests.servers import ROOT, Redis, Server

var_dir = Path(tempfile.mkdtemp(prefix="trading-"))
started: list[Server] = []
ON_POSTGRES = os.environ.get("TEST_DATABASE") == "postgres"


def setting_names() -> set[str]:
    """Every setting there is: `.env.example` names them all (tests/test_settings.py)."""
    return set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    # Around pytest-django's own hook of this name, which loads the settings. An empty variable
    # counts as unset, yet keeps the one in `.env` away.
    os.environ.update(dict.fromkeys(setting_names(), ""))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background jobs ignore Ctrl+C, and whatever they start would.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["VAR_DIR"] = str(var_dir)
    os.environ["SECRET_KEY"] = "of tests alone"
    redis = Redis(var_dir, wait=False)
    started.append(redis)
    os.environ["REDIS_URL"] = redis.url
    if ON_POSTGRES:
        cluster = postgres.Postgres(var_dir / "postgres")
        started.append(cluster)
        os.environ["DATABASE_URL"] = cluster.url
    try:
        result = yield
        redis.await_listening()  # it has come up while Django was loaded
    except BaseException:
        pytest_unconfigure()  # pytest itself does not, where Django cannot be loaded
        raise
    return result


def pytest_unconfigure() -> None:
    for server in reversed(started):
        if isinstance(server, Redis):
            server.kill()  # nobody needs what it holds
        else:
            server.stop()
    shutil.rmtree(var_dir, ignore_errors=True)
