"""Fixtures for any test: real servers, recorded data, and a strict eye on reactions."""

import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
import structlog
from django.conf import settings
from django.db import connections

from tests.environment import var_dir
from tests.servers import ROOT, Sandbox

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def missing(what: str) -> None:
    """Skip the test that needs `what`; in CI nothing may be missing."""
    if IN_CI:
        pytest.fail(f"{what}, and CI is set")
    pytest.skip(what)


@pytest.fixture(autouse=True)
def failed_reactions() -> Iterator[list[str]]:
    """Fails the test where a reaction to an event failed: `Event` logs it and goes on."""
    failures: list[str] = []

    def watch(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event.get("event") == "reaction.failed":
            failures.append(f"{event.get('fact')} -> {event.get('reaction')}")
        return event

    # In place, so that loggers which are bound already see it.
    processors = structlog.get_config()["processors"]
    processors.insert(0, watch)
    yield failures
    if watch in processors:
        processors.remove(watch)
    assert not failures, "reactions failed (a test that wants that clears failed_reactions)"


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """SQLite in a file, as in earnest: in memory it has neither WAL nor a second connection."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        connections["default"].settings_dict["TEST"]["NAME"] = str(var_dir / "test.sqlite3")


@pytest.fixture
def redis() -> Iterator[redis_library.Redis]:
    """The tests' own Redis, emptied."""
    client = redis_library.Redis.from_url(settings.REDIS_URL)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with its random market in a process of its own, the same for all tests."""
    server = Sandbox(var_dir, "--symbols", "BTCUSDT,ETHUSDT", "--seed", "1")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded Binance data beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        missing(f"no recorded data in {folder}")
    return folder
