"""What the web process waits for."""

import errno
import time

import pytest

from tests.servers import HANG_S
from tradingsite.startup import prerequisites
from tradingsite.startup.prerequisites import missing_for_web
from tradingsite.web import unprepared
from tradingsite.web.unprepared import OncePrepared

pytestmark = pytest.mark.django_db


def forbidden() -> str | None:
    raise PermissionError(errno.EACCES, "Permission denied", "/var/lib/trading/db.sqlite3")


def test_a_prerequisite_that_may_not_be_looked_at_is_missing(monkeypatch):
    monkeypatch.setattr(prerequisites, "missing_key", lambda: None)
    monkeypatch.setattr(prerequisites, "missing_tables", forbidden)
    assert missing_for_web() == "/var/lib/trading/db.sqlite3 cannot be read (Permission denied)"


def test_the_door_opens_once_it_may_be_looked_at(monkeypatch):
    monkeypatch.setattr(unprepared, "RETRY_S", 0.01)
    monkeypatch.setattr(prerequisites, "missing_key", lambda: None)
    looks = iter([forbidden, forbidden, lambda: None])

    def look() -> str | None:
        return next(looks)()

    monkeypatch.setattr(prerequisites, "missing_tables", look)
    door = OncePrepared(None, missing_for_web)
    deadline_s = time.monotonic() + HANG_S
    while door._missing is not None and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert door._missing is None
