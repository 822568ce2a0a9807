"""Roles of the stream process: over real Redis and database, with a line that a script speaks."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis as redis_library

from candles.intervals import MINUTE_MS
from candles.live import deaf, evidence
from candles.live.lease import Lease
from candles.live.state import (
    Batch,
    StateWriter,
    SymbolState,
    Unrecorded,
    UnrecordedCandle,
    read_states,
    read_streams,
)
from candles.models import Candle
from candles.ohlcv import flat
from candles.shards import Shard
from foundation.times import to_time
from market.models import Symbol
from market.rest import MarketRest
from market.ticks import Tick
from market.wire.frames import StreamBatch
from market.wire.rows import Rows
from tests.builders import symbol, tick
from tests.servers import HANG_S, eventually
from tradingsite.stream import checkpointer
from tradingsite.stream import process as process_module
from tradingsite.stream import standby as standby_module
from tradingsite.stream.process import StreamProcess
from tradingsite.stream.standby import Standby
from tradingsite.stream.stop_monitor import StopMonitor

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("long_leases"),
    pytest.mark.thorough,
]
BTC = "BTCUSDT"
Script = Callable[["Line"], Iterator[StreamBatch]]


def series(*numbers: int) -> list[Tick]:
    return [tick(str(n), tick_id=n, time_ms=n * 10_000) for n in numbers]


class Line:
    """What `MarketStream` is to the process, spoken by a script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.live: set[str] = set()
        self.followed: set[str] = set()
        self.newly_silent: list[str] = []
        self.connected = True
        self.last_frame_s = time.monotonic()
        self.stopping = False

    def follow(self, symbols: Any) -> None:
        self.followed = set(symbols)

    def stop(self) -> None:
        self.stopping = True

    def last_event_ms(self, _: str) -> int:
        return 0

    def batches(self) -> Generator[StreamBatch, None, None]:
        for batch in self.script(self):
            batch.newly_live = sorted(self.followed - self.live)
            self.live |= self.followed
            batch.newly_silent, self.newly_silent = self.newly_silent, []
            yield batch
            time.sleep(0.002)
            if self.stopping:
                return


class Rest(MarketRest):
    """Knows ticks and no klines; `asked` says from which ids it was asked."""

    def __init__(self, ticks: list[Tick]) -> None:
        super().__init__("http://127.0.0.1:9")
        self.ticks = ticks
        self.asked: list[int] = []

    def server_time(self) -> int:
        return 32_000

    def agg_trades(self, symbol: str, **bounds: int) -> Rows[Tick]:
        self.asked.append(first := bounds.get("fromId", 0))
        last_ms = bounds.get("endTime", 10**9)
        return Rows(one for one in self.ticks if one.tick_id >= first and one.time_ms <= last_ms)

    def klines_page(self, *_: Any, **__: Any) -> Any:
        return Rows()


def until(happened: Callable[[], object], seconds: float = HANG_S) -> Iterator[StreamBatch]:
    """Nothing comes until it has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        yield StreamBatch()


def stored(redis: redis_library.Redis, name: str = BTC) -> SymbolState | None:
    return read_states(redis, [name]).get(name)


def place(redis: redis_library.Redis) -> int:
    state = stored(redis)
    return state.last_tick_id if state else 0


@pytest.fixture
def btc() -> Symbol:
    return symbol(BTC)


@pytest.fixture
def left_at_3(redis: redis_library.Redis) -> StateWriter:
    """An owner that has folded ticks 1 to 3 and still lives."""
    writer = StateWriter(Lease(redis, holder="first:1"), watched="none")
    assert writer.lease.acquire()
    base = flat(0, MINUTE_MS, Decimal(3))
    state = SymbolState(BTC, 3, Decimal(3), 30_000, ["1m"], base, {})
    writer.save(Batch(states=[state]))
    return writer


def run(
    redis: redis_library.Redis, script: Script, rest: MarketRest | None = None, **kinds: Any
) -> StreamProcess:
    shard = kinds.get("shard", Shard())
    writer = StateWriter(Lease(redis, shard=str(shard), holder="second:2"), watched="none")
    line: Any = Line(script)
    process = StreamProcess(line, rest or Rest([]), writer, ["1m"], shard)
    process.run()
    return process


def test_a_stand_by_goes_on_from_what_it_heard(
    btc: Symbol, redis: redis_library.Redis, left_at_3: StateWriter
) -> None:
    rest = Rest([])

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: line.live)
        yield StreamBatch(series(2, 3, 4, 5))
        yield from until(lambda: left_at_3.lease.standbys() == ["second:2"])
        left_at_3.lease.release()  # as if it had died, and its time had run out
        yield from until(lambda: place(redis) == 5)
        yield StreamBatch(series(6, 7))
        yield from until(Candle.objects.exists)

    run(redis, script, rest)
    assert rest.asked == []
    assert Candle.objects.get().trades == 2


def test_what_a_stand_by_has_not_heard_is_fetched(
    btc: Symbol, redis: redis_library.Redis, left_at_3: StateWriter
) -> None:
    rest = Rest(series(1, 2, 3, 4, 5, 6))

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: line.live)
        yield StreamBatch(series(6))
        left_at_3.lease.release()
        yield from until(lambda: place(redis) == 6)

    run(redis, script, rest)
    assert rest.asked == [4]
    state = stored(redis)
    assert state is not None
    assert state.counts.refilled == 3


def test_what_was_heard_before_a_cut_does_not_count(
    btc: Symbol, redis: redis_library.Redis, left_at_3: StateWriter
) -> None:
    rest = Rest(series(4, 5, 6, 7))

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: line.live)
        yield StreamBatch(series(3, 4, 5))
        line.newly_silent.append(BTC)
        yield StreamBatch()
        yield StreamBatch(series(7))
        left_at_3.lease.release()
        yield from until(lambda: place(redis) == 7)

    run(redis, script, rest)
    assert rest.asked == [4]


def test_an_owner_that_slept_stands_by_again(btc: Symbol, redis: redis_library.Redis) -> None:
    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: redis.exists("candles:owner:1/1"))
        redis.delete("candles:owner:1/1")  # its time ran out while it slept
        other = StateWriter(Lease(redis, holder="other:3"), watched="none")
        assert other.lease.acquire()
        yield from until(lambda: other.lease.standbys() == ["second:2"])

    process = run(redis, script)
    assert isinstance(process._role, Standby)


def test_an_owner_that_is_cut_off_leaves_to_one_that_is_not(
    btc: Symbol, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointer, "CUT_OFF_S", 0.05)
    other = StateWriter(Lease(redis, holder="other:3"), watched="none")

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: redis.exists("candles:owner:1/1"))
        line.connected = False
        other.lease.stand_by()
        yield from until(other.lease.acquire)

    process = run(redis, script)
    assert isinstance(process._role, Standby)


def test_who_is_cut_off_owns_where_nobody_else_is_there(
    btc: Symbol, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby_module, "ALONE_POLL_S", 0.05)

    def script(line: Line) -> Iterator[StreamBatch]:
        line.connected = False
        yield from until(lambda: read_streams(redis))

    run(redis, script)
    (told,) = read_streams(redis)
    assert (told.holder, told.connected) == ("second:2", False)


def test_an_owner_holds_what_closed_while_redis_is_away(
    btc: Symbol, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointer, "RETRY_S", 0.01)
    away = threading.Event()
    save = StateWriter.save

    def unless_away(self: StateWriter, batch: Batch) -> Any:
        if away.is_set():
            raise redis_library.ConnectionError("away")
        return save(self, batch)

    monkeypatch.setattr(StateWriter, "save", unless_away)

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: place(redis) == 3)
        away.set()
        yield StreamBatch(series(*range(4, 14)))
        yield from until(lambda: Candle.objects.count() == 2)
        away.clear()
        yield from until(lambda: place(redis) == 13)

    run(redis, script, Rest(series(1, 2, 3)))
    assert [one.trades for one in Candle.objects.order_by("open_time")] == [5, 6]


def test_candles_that_an_owner_left_in_redis_are_recorded(
    btc: Symbol, redis: redis_library.Redis, left_at_3: StateWriter
) -> None:
    left_at_3.save(Batch(closed=[UnrecordedCandle(BTC, "1m", flat(0, MINUTE_MS, Decimal(9)))]))
    left_at_3.lease.release()

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(Candle.objects.exists)
        yield from until(lambda: redis.xlen("candles:closed:1/1") == 0)

    run(redis, script)
    assert Candle.objects.get().close == Decimal(9)


def test_who_takes_over_as_redis_goes_away_takes_over_later(
    btc: Symbol,
    redis: redis_library.Redis,
    left_at_3: StateWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left_at_3.lease.release()
    failures = [redis_library.ConnectionError("gone")]
    unrecorded = StateWriter.unrecorded

    def once_away(writer: StateWriter) -> Unrecorded:
        if failures:
            raise failures.pop()
        return unrecorded(writer)

    monkeypatch.setattr(StateWriter, "unrecorded", once_away)

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: line.live and not failures)
        redis.delete("candles:owner:1/1")  # its lease runs out
        yield StreamBatch(series(4, 5))
        yield from until(lambda: place(redis) == 5)

    run(redis, script, Rest(series(1, 2, 3)))


def test_shards_follow_each_their_own_and_symbols_that_come_later(
    btc: Symbol, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "SYMBOLS_EVERY_S", 0.05)
    mine = next(n for n in (1, 2) if Shard(n, 2).covers(BTC))
    later = [f"COIN{n}USDT" for n in range(20)]
    ours = {name for name in later if Shard(mine, 2).covers(name)}
    assert 0 < len(ours) < len(later)

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: line.live == {BTC})
        for name in later:
            symbol(name)
        yield from until(lambda: line.live == {BTC} | ours)

    process = run(redis, script, shard=Shard(mine, 2))
    assert process.context.symbols.keys() == {BTC} | ours
    assert eventually(lambda: not redis.exists(f"candles:owner:{mine}/2"))


def test_where_the_stream_is_deaf_rest_takes_its_place_until_it_speaks_again(
    btc: Symbol, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deaf, "DEAF_AFTER_S", 0.1)
    monkeypatch.setattr(deaf, "LISTEN_EVERY_S", 0.01)
    monkeypatch.setattr(deaf, "POLL_EVERY_MS", 20)
    monkeypatch.setattr(evidence, "POLL_EVERY_MS", 20)
    checked: list[int] = []

    def check(_: StopMonitor, runs: Any) -> None:
        checked.extend(one.tick_id for run in runs for one in run)

    monkeypatch.setattr(StopMonitor, "check", check)
    rest = Rest(series(1, 2, 3))

    def script(line: Line) -> Iterator[StreamBatch]:
        yield from until(lambda: place(redis) == 3)
        rest.ticks += series(*range(4, 10))
        yield from until(lambda: place(redis) == 9)
        yield from until(lambda: read_streams(redis)[0].polled == [BTC])
        for _ in until(lambda: read_streams(redis)[0].polled == []):
            yield StreamBatch(series(10))

    run(redis, script, rest)
    assert set(range(4, 11)) <= set(checked)  # so stops work
    assert Candle.objects.get(open_time=to_time(0)).trades == 5
