from decimal import Decimal

import pytest
import redis as redis_library

from candles.intervals import MINUTE_MS
from candles.live.lease import Fenced, Lease
from candles.live.state import (
    Batch,
    StateWriter,
    StreamState,
    SymbolState,
    TickRun,
    UnrecordedCandle,
    encode_ticks,
    read_states,
    read_streams,
    recent_ticks,
)
from candles.ohlcv import flat
from candles.rollup import SymbolCandles
from tests.builders import tick

pytestmark = pytest.mark.usefixtures("long_leases")
STREAM = StreamState(True, 1, 2, 3, 4, {"ETHUSDT": 5})


def state(last_tick_id: int) -> SymbolState:
    candles = SymbolCandles(["1m", "5m"])
    candles.fold(
        [tick("10.50", tick_id=1, time_ms=0), tick("9", tick_id=last_tick_id, time_ms=70_000)]
    )
    assert candles.builder.forming is not None
    return SymbolState(
        "BTCUSDT", last_tick_id, Decimal(9), 70_000, ["1m", "5m"],
        candles.builder.forming, candles.parts,
    )  # fmt: skip


@pytest.fixture
def writer(redis: redis_library.Redis) -> StateWriter:
    writer = StateWriter(Lease(redis), watched="positions")
    assert writer.lease.acquire()
    return writer


def test_what_is_saved_is_read_to_the_digit(
    redis: redis_library.Redis, writer: StateWriter
) -> None:
    writer.save(Batch(STREAM, [state(2)]))
    found = read_states(redis, ["BTCUSDT"])["BTCUSDT"]
    assert found == state(2)
    assert found.forming["5m"].high == Decimal("10.50")
    assert found.forming["1m"].open == Decimal(9)
    assert read_streams(redis) == [STREAM]


def test_symbols_without_state_are_left_out(
    redis: redis_library.Redis, writer: StateWriter
) -> None:
    writer.save(Batch(STREAM, [state(2)]))
    assert read_states(redis, ["ETHUSDT", "BTCUSDT"]) == {"BTCUSDT": state(2)}
    assert read_states(redis, []) == {}


def test_the_last_ticks_are_kept_and_no_more(
    redis: redis_library.Redis, writer: StateWriter
) -> None:
    ticks = [tick(tick_id=n) for n in range(1, 2501)]
    for at in range(0, 2500, 50):
        writer.save(
            Batch(STREAM, runs=[TickRun("BTCUSDT", encode_ticks(ticks[at : at + 50]), keep=20)])
        )
    assert recent_ticks(redis, "BTCUSDT") == ticks[-1000:]
    assert recent_ticks(redis, "BTCUSDT", 3) == ticks[-3:]
    assert redis.llen("candles:ticks:BTCUSDT") == 20


def closed(minute: int) -> UnrecordedCandle:
    return UnrecordedCandle("BTCUSDT", "1m", flat(minute * MINUTE_MS, MINUTE_MS, Decimal(minute)))


def test_closed_candles_wait_until_they_are_recorded(writer: StateWriter) -> None:
    first = writer.save(Batch(STREAM, closed=[closed(1)]))
    second = writer.save(Batch(STREAM, closed=[closed(2)]))
    assert writer.unrecorded() == ([closed(1), closed(2)], second.newest)
    writer.save(Batch(recorded=first.newest))
    assert writer.unrecorded() == ([closed(2)], second.newest)
    writer.save(Batch(recorded=second.newest))
    assert writer.unrecorded() == ([], "")


def test_a_candle_written_twice_waits_once(writer: StateWriter) -> None:
    writer.save(Batch(STREAM, closed=[closed(1)]))
    writer.save(Batch(STREAM, closed=[closed(1)]))
    assert writer.unrecorded()[0] == [closed(1)]


def test_a_run_of_ticks_written_twice_is_read_once(
    redis: redis_library.Redis, writer: StateWriter
) -> None:
    run = TickRun("BTCUSDT", encode_ticks([tick(tick_id=1), tick(tick_id=2)]), keep=9)
    writer.save(Batch(runs=[run]))
    writer.save(Batch(runs=[run]))
    assert [one.tick_id for one in recent_ticks(redis, "BTCUSDT")] == [1, 2]


def test_a_former_leader_changes_nothing(redis: redis_library.Redis, writer: StateWriter) -> None:
    writer.lease.release()
    successor = StateWriter(Lease(redis), watched="positions")
    assert successor.lease.acquire()
    successor.save(Batch(STREAM, [state(9)]))
    with pytest.raises(Fenced):
        writer.save(Batch(STREAM, [state(2)]))
    assert read_states(redis, ["BTCUSDT"])["BTCUSDT"] == state(9)


def test_a_save_tells_what_the_watched_key_holds(
    redis: redis_library.Redis, writer: StateWriter
) -> None:
    assert writer.save(Batch(STREAM)).watched is None
    redis.incr("positions")
    assert writer.save(Batch(STREAM)).watched == b"1"
