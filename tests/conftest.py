"""Fixtures for any test: real servers, recorded data, and a strict eye on reactions."""

import os
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis as redis_library
import structlog
from django.conf import settings
from django.db import connections

from tests import postgres
from tests.environment import ON_POSTGRES, var_dir
from tests.recorded import DATA
from tests.servers import ROOT, Sandbox, Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def missing(what: str) -> None:
    """Skip the test that needs `what`; in CI nothing may be missing."""
    if IN_CI:
        pytest.fail(f"{what}, and CI is set")
    pytest.skip(what)


def pytest_configure() -> None:
    # Else each of the hundreds of test clients looks through all static files before its first
    # request. Processes read their own settings.
    settings.WHITENOISE_AUTOREFRESH = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what touches a database: the rest has run on SQLite."""
    if not ON_POSTGRES:
        return
    chosen = [item for item in items if _touches_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _touches_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("browser"):
        return False
    fixtures = set(getattr(item, "fixturenames", ()))
    asked = fixtures & {"db", "transactional_db", "own_database", "own_cluster"}
    return bool(asked) or item.get_closest_marker("django_db") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> None:
    """Set Hypothesis up before a module that uses it is loaded; others need not wait for it."""
    if isinstance(collector, pytest.Module) and "hypothesis" in collector.path.read_text():
        _set_up_hypothesis(quick=collector.config.option.markexpr == "quick")


@cache
def _set_up_hypothesis(*, quick: bool) -> None:
    """A machine that is busy makes one example slow and the next one not."""
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "busy",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        max_examples=10 if quick else 100,
    )
    settings.load_profile("busy")


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
    """The tests' own Redis, emptied; nor does a test that asks for none find anything there."""
    client = redis_library.Redis.from_url(settings.REDIS_URL)
    client.flushall()
    yield client
    client.flushall()
    client.close()


@pytest.fixture
def long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """No leader or standby loses its place because the machine is slow."""
    for name in ("lease.LEASE_MS", "state.LEASE_MS", "lease.MAX_STANDBY_SILENCE_MS"):
        monkeypatch.setattr(f"candles.live.{name}", 60_000)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with its random market in a process of its own, the same for all tests."""
    server = Sandbox(var_dir, "--symbols", "BTCUSDT,ETHUSDT", "--seed", "1", "--rate", "5")
    yield server
    server.stop()


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket; pytest's own are not."""
    folder = Path(tempfile.mkdtemp(dir=var_dir))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_database(own_folder: Path) -> Iterator[str]:
    """The URL of a new, empty database that no other test and not this process uses."""
    if not ON_POSTGRES:
        yield f"sqlite:///{own_folder / 'db.sqlite3'}"
        return
    with postgres.new_database(os.environ["DATABASE_URL"]) as url:
        yield url


@pytest.fixture
def site(own_folder: Path, own_database: str, sandbox: Sandbox) -> Iterator[Site]:
    """A prepared system of real processes on the sandbox; none of them started yet."""
    started = Site(own_folder, sandbox.environment | {"DATABASE_URL": own_database})
    yield started
    started.stop()


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIETLY = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def browser_page(monkeypatch: pytest.MonkeyPatch) -> Iterator["Page"]:
    """An empty page in the installed Chromium. An error nobody catches in it fails the test."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        missing("no Chromium is installed")
    # Playwright keeps an event loop in this thread, which Django takes for an async caller.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIETLY))
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    assert not errors


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of the recorded Binance data that the repository holds."""
    return DATA


@pytest.fixture(scope="session")
def more_recorded() -> Path:
    """The folder of recorded data too large for the repository, or of a licence that keeps it out.

    tests/data/README.md names its files. A clone alone has none of it, in CI neither.
    """
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"larger recordings are not at hand, see tests/data/README.md: no {folder}")
    return folder
