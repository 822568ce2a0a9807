"""Which tests are quick and which start processes, told by what they ask for (`-p tests.marks`).

`make quick` runs the quick ones: the apps' core, services and API on their database and Redis.
Not quick is what starts a process or listens on a port, what folds the recorded data, and what is
marked as slow or thorough. A quick test that starts a process fails: it needs the mark `processes`.
"""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# Fixtures that start a process of ours, or several.
STARTS_PROCESSES = {"sandbox", "site", "system", "web", "private", "page"}
# Folders of tests about processes.
ABOUT_PROCESSES = {"browser", "e2e", "launcher"}
# Fixtures that listen on a port, and the recordings.
TAKES_LONG = {
    "venue", "fresh_venue", "living_venue", "shared_venue", "cliffs", "recorded", "more_recorded",
    "archive_server",
}  # fmt: skip
# Folders of tests that listen on a port, and those about the sandbox and the site.
LEFT_OUT = {"accounts", "clients", "faults", "fuzz", "sandbox", "tradingsite"}
SLOW_MARKS = ("processes", "slow", "thorough")
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec"}

_quick_test: list[str] = []  # the one under way


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A quick run need not even load what it would leave out."""
    slow = collection_path.is_dir() and collection_path.name in ABOUT_PROCESSES | LEFT_OUT
    return True if slow and config.option.markexpr == "quick" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asked, folders = (
            set(getattr(item, "fixturenames", ())),
            set(item.path.relative_to(item.config.rootpath).parts),
        )
        if asked & STARTS_PROCESSES or folders & ABOUT_PROCESSES:
            item.add_marker("processes")
        takes_long = asked & TAKES_LONG or folders & LEFT_OUT
        if not takes_long and not any(map(item.get_closest_marker, SLOW_MARKS)):
            item.add_marker("quick")
    # What takes longest begins first, or it would be waited for at the end (`make test`).
    items.sort(key=lambda item: item.path.parent.name != "e2e")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if item.get_closest_marker("quick"):
        _quick_test.append(item.nodeid)
    try:
        return (yield)
    finally:
        _quick_test.clear()


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if _quick_test and event in STARTS:
        raise RuntimeError(f"{_quick_test[0]} starts a process: it needs the mark `processes`")


sys.addaudithook(_refuse)
