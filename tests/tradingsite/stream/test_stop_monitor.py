from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import OperationalError

from foundation import worker as worker_module
from foundation.worker import DatabaseWorker
from orders.core.stops import Hit, Stop
from strategies.models import Signal
from tests.builders import tick
from tests.servers import HANG_S
from tests.workers import work_off
from tradingsite.stream import stop_monitor
from tradingsite.stream.stop_monitor import StopMonitor

pytestmark = pytest.mark.django_db(
    transaction=True
)  # without a database the worker lets go of its connection
STOP = Stop(1, "BTCUSDT", Decimal(90), since_ms=1_000)


class Book:
    """Stands for the database: the open stops, and the hits that were sold."""

    def __init__(self) -> None:
        self.stops = [STOP]
        self.sold: list[Hit] = []
        self.gone = False
        self.unsellable: set[int] = set()  # positions that no sale can be written down of

    def open_stops(self) -> list[Stop]:
        if self.gone:
            raise OperationalError("gone")
        return self.stops

    def stop_out(self, hits: list[Hit], _: object, __: object, *, send: bool) -> list[Signal]:
        assert send
        if self.gone:
            raise OperationalError("gone")
        if self.unsellable & {hit.stop.position_id for hit in hits}:
            raise ValueError("cannot be sold")
        self.sold += hits
        return []


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseWorker]:
    monkeypatch.setattr(worker_module, "RETRY_S", 0.01)
    worker = DatabaseWorker()
    yield worker
    worker.stop(HANG_S)


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    book = Book()
    monkeypatch.setattr(stop_monitor, "open_stops", book.open_stops)
    monkeypatch.setattr(stop_monitor, "stop_out", book.stop_out)
    monkeypatch.setattr(stop_monitor, "_warm_up", lambda: None)
    return book


@pytest.fixture
def monitor(book: Book, worker: DatabaseWorker) -> StopMonitor:
    """Has read the book, and sees no ticks of before."""
    monitor = StopMonitor(worker, worker, lambda _: [])
    monitor.refresh(b"1")
    work_off(worker)
    return monitor


def test_the_tick_that_reaches_the_stop_sells_once(book: Book, monitor: StopMonitor) -> None:
    monitor.check([[tick("91", tick_id=1)], [tick("90", tick_id=2), tick("80", tick_id=3)]])
    monitor.check([[tick("70", tick_id=4)]])
    work_off(monitor.database)
    assert [(hit.tick_id, hit.price) for hit in book.sold] == [(2, Decimal(90))]


def test_a_hit_waits_for_the_database_whatever_the_price_does(
    book: Book, monitor: StopMonitor
) -> None:
    book.gone = True
    monitor.check([[tick("89", tick_id=2)]])
    monitor.check([[tick("120", tick_id=3)]])
    assert monitor.unsold_symbols == {"BTCUSDT"}
    book.gone = False
    work_off(monitor.database)
    assert [hit.tick_id for hit in book.sold] == [2]
    assert monitor.unsold_symbols == set()


def test_a_position_that_cannot_be_sold_holds_up_no_other(
    book: Book, monitor: StopMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_monitor, "RETRY_EVERY_S", 0.0)
    book.stops, book.unsellable = [STOP, replace(STOP, position_id=2)], {1}
    monitor.refresh(b"2")
    work_off(monitor.database)
    monitor.check([[tick("89", tick_id=2)]])
    for _ in range(2):
        work_off(monitor.database)
        monitor.refresh(b"2")
    work_off(monitor.database)
    assert [hit.stop.position_id for hit in book.sold] == [2]
    book.unsellable = set()
    monitor.refresh(b"2")
    work_off(monitor.database)
    assert {hit.stop.position_id for hit in book.sold} == {1, 2}
    assert monitor.unsold_symbols == set()


def test_a_new_stop_is_held_against_the_ticks_just_seen(book: Book, monitor: StopMonitor) -> None:
    book.stops = []
    monitor.refresh(b"2")
    work_off(monitor.database)
    book.stops = [STOP]
    seen = [tick("85", tick_id=1, time_ms=999), tick("88", tick_id=2, time_ms=1_000)]
    monitor.recent = lambda _: seen
    monitor.refresh(b"3")
    work_off(monitor.database)
    work_off(monitor.database)
    assert [hit.tick_id for hit in book.sold] == [2]  # the first came before the position


def test_stops_are_read_again_only_when_something_changed(book: Book, monitor: StopMonitor) -> None:
    book.stops = []
    monitor.refresh(b"1")
    monitor.check([[tick("80")]])
    work_off(monitor.database)
    assert len(book.sold) == 1


def test_the_word_of_a_change_may_be_lost(
    book: Book, worker: DatabaseWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_monitor, "REREAD_EVERY_S", 0.0)
    book.stops = []
    monitor = StopMonitor(worker, worker, lambda _: [])
    monitor.refresh(b"1")
    work_off(worker)
    book.stops = [STOP]
    monitor.refresh(b"1")
    work_off(worker)
    monitor.check([[tick("80")]])
    work_off(worker)
    assert len(book.sold) == 1


def test_without_the_database_the_known_stops_stay(book: Book, monitor: StopMonitor) -> None:
    book.gone = True
    monitor.refresh(b"2")
    monitor.check([[tick("80")]])
    book.gone = False
    work_off(monitor.database)
    assert len(book.sold) == 1
