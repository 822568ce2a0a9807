from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis as redis_library
from django.db import DataError, OperationalError
from msgspec.structs import replace

from candles import services
from candles.intervals import MINUTE_MS
from candles.live.bootstrap import Bootstrap
from candles.live.folded import Folded
from candles.live.lease import Lease
from candles.live.state import Batch, StateWriter
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV, flat
from foundation import worker as worker_module
from foundation.worker import DatabaseWorker
from market.models import Symbol
from market.wire.frames import KlineEvent
from tests.builders import kline_event, symbol, tick
from tests.servers import HANG_S
from tests.workers import work_off
from tradingsite.stream import recorder
from tradingsite.stream.recorder import Recorder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_leases")]
BTC = "BTCUSDT"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseWorker]:
    monkeypatch.setattr(worker_module, "RETRY_S", 0.01)
    monkeypatch.setattr(recorder, "CONFIRM_EVERY_S", 0.0)
    worker = DatabaseWorker()
    yield worker
    worker.stop(HANG_S)


@pytest.fixture
def writer(redis: redis_library.Redis) -> StateWriter:
    writer = StateWriter(Lease(redis), watched="none")
    assert writer.lease.acquire()
    return writer


@pytest.fixture
def symbols() -> dict[str, Symbol]:
    return {BTC: symbol(BTC)}


@pytest.fixture
def recording(worker: DatabaseWorker, writer: StateWriter, symbols: dict[str, Symbol]) -> Recorder:
    return Recorder(worker, writer.unrecorded(), symbols, ["1m"])


def closed(minute: int) -> OHLCV:
    return flat(minute * MINUTE_MS, MINUTE_MS, Decimal(10))


def close(recording: Recorder, *minutes: int, klines: tuple[KlineEvent, ...] = ()) -> None:
    recording.record({BTC: Folded([closed(minute) for minute in minutes])}, klines)


def save(recording: Recorder, writer: StateWriter) -> None:
    unsaved = recording.unsaved
    recording.saved(unsaved, writer.save(Batch(recorded=recording.pop_recorded(), closed=unsaved)))


def gone(*_: Any) -> None:
    raise OperationalError("gone")


def test_closed_candles_leave_redis_once_the_database_has_them(
    recording: Recorder, writer: StateWriter
) -> None:
    close(recording, 1, 2)
    save(recording, writer)
    work_off(recording.database)
    save(recording, writer)
    assert Candle.objects.count() == 2
    assert writer.unrecorded() == ([], "")


def test_while_the_database_is_gone_candles_wait_in_redis_and_survive_their_owner(
    recording: Recorder,
    writer: StateWriter,
    symbols: dict[str, Symbol],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(services, "record_closed", gone)
        close(recording, 1)
        save(recording, writer)
        recording.database.stop(HANG_S)
    other = DatabaseWorker()
    successor = Recorder(other, writer.unrecorded(), symbols, ["1m"])
    close(successor, 2)
    work_off(other)
    save(successor, writer)
    other.stop(HANG_S)
    assert Candle.objects.count() == 2
    assert writer.unrecorded()[0] == []


def test_candles_written_together_leave_redis_together(
    recording: Recorder, writer: StateWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(recording, 1)
    close(recording, 2)
    save(recording, writer)
    first, second = recording._batches
    first.recorded = True
    assert recording.pop_recorded() == ""
    second.recorded = True
    assert recording.pop_recorded() == second.entry != ""


def test_history_is_recorded_before_what_follows_on_it(recording: Recorder) -> None:
    recording.add_history(Bootstrap(BTC, {"1m": [closed(1), closed(2)]}, None, {}, [], None))
    close(recording, 3)
    work_off(recording.database)
    assert list(Candle.objects.order_by("pk").values_list("verdict", flat=True)) == [
        Verdict.EXACT, Verdict.EXACT, Verdict.UNVERIFIED,
    ]  # fmt: skip


def test_the_exchanges_last_word_proves_a_candle_exact(recording: Recorder) -> None:
    close(
        recording, 1, 2, klines=(kline_event(closed(1)), kline_event(closed(2), close=Decimal(9)))
    )
    work_off(recording.database)
    verdicts = Candle.objects.order_by("open_time").values_list("verdict", flat=True)
    assert list(verdicts) == [Verdict.EXACT, Verdict.UNVERIFIED]


def test_a_candle_may_close_after_the_exchange_has_said_so(recording: Recorder) -> None:
    recording.record({}, [kline_event(closed(1))])
    work_off(recording.database)
    close(recording, 1)
    work_off(recording.database)
    assert Candle.objects.get().verdict == Verdict.EXACT


def test_a_late_tick_holds_the_place_until_its_candle_is_revised(
    recording: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(recording, 1)
    late = tick("12", tick_id=7, time_ms=MINUTE_MS + 5)
    recording.record({BTC: Folded([], [late], [late])}, [])
    assert list(recording.revising_symbols) == [BTC]
    work_off(recording.database)
    assert list(recording.revising_symbols) == []
    candle = Candle.objects.get()
    assert (candle.close, candle.trades, candle.revision) == (Decimal(12), 1, 2)


def test_a_candle_that_the_database_refuses_is_set_aside_and_the_rest_goes_on(
    recording: Recorder, writer: StateWriter, symbols: dict[str, Symbol]
) -> None:
    good, never = closed(1), replace(closed(2), trades=-(2**70), last_tick_id=2**70)
    recording.record({BTC: Folded([good, never, closed(3)])}, ())
    save(recording, writer)
    work_off(recording.database)
    save(recording, writer)
    assert Candle.objects.count() == 2
    assert writer.unrecorded() == ([], "")
    successor = Recorder(recording.database, writer.unrecorded(), symbols, ["1m"])
    close(successor, 4)
    work_off(recording.database)
    assert Candle.objects.count() == 3


@pytest.mark.parametrize("name", ["record_closed", "confirm", "add_late_ticks"])
def test_what_can_never_be_done_does_not_end_the_process(
    recording: Recorder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: Any) -> None:
        raise DataError("value out of range")

    monkeypatch.setattr(services, name, refuse)
    late = Folded([], [], [tick(time_ms=MINUTE_MS)])
    recording.record({BTC: late}, [kline_event(closed(1))])
    close(recording, 1)
    work_off(recording.database)
    assert list(recording.revising_symbols) == []
    assert recording.unsaved == []
