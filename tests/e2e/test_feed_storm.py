"""Recorded trades through real processes in a storm: the feed lies, stalls and breaks, streams
and Redis are killed and frozen; afterwards every candle is the exchange's own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import redis as redis_library

from candles.intervals import INTERVALS_MS
from candles.live.state import read_states, read_streams
from foundation.decimals import plain
from tests import recorded as data
from tests.e2e.candles import KLINE_FIELDS, klines, stored
from tests.e2e.conftest import Built
from tests.e2e.storms import RedisBlows
from tests.environment import ON_POSTGRES
from tests.servers import HANG_S, Sandbox, Server, Site, eventually, frozen

SYMBOLS = ("BTCUSDT", "ETHUSDT")
INTERVALS = ("1s", "1m")
RECORDED_S = 11 * 60
SETTLE_S = 180
SHORT_SEEDS = [] if ON_POSTGRES else [2]  # a run of all tests has a quarter of an hour
SPANS_S = 50  # after the storm, in which the feed is muted, deaf and suspended, one by one
TAKE_OVER_S = 8


class Storm(RedisBlows):
    """Kills and freezes processes, and measures how long the symbols are without an owner."""

    def __init__(self, site: Site, dice: Random) -> None:
        super().__init__(site, dice)
        self.streams = [site.start("stream"), site.start("stream")]
        self.others = {name: site.start(name) for name in ("worker", "beat")}
        self.take_overs: list[float] = []

    def rage(self, seconds: float) -> None:
        blows = [self.kill_stream] * 3 + [self.freeze_stream] * 3
        blows += [self.kill_redis, self.freeze_redis, self.cut_power_of_redis]
        blows += [self.kill_worker]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.dice.choice(blows)()
            time.sleep(self.dice.uniform(0.5, 3))

    def kill_stream(self) -> None:
        number = self.dice.randrange(2)
        with self._measured(self.streams[number]):
            self.streams[number].kill()
        self.streams[number] = self.site.start("stream")

    def freeze_stream(self) -> None:
        number = self.dice.randrange(2)
        with self._measured(self.streams[number]), frozen(self.streams[number]):
            time.sleep(self.dice.uniform(0.3, 3))

    def kill_worker(self) -> None:
        self.others["worker"].kill()
        self.others["worker"] = self.site.start("worker")

    def owner(self) -> str:
        """host:pid of the process that owns the symbols, by its own word of just now."""
        client = redis_library.Redis.from_url(self.site.redis.url, socket_timeout=1)
        now_ms = time.time() * 1000
        told = read_streams(client)
        return next((one.holder for one in told if now_ms - one.beat_ms < 600), "")

    @contextmanager
    def _measured(self, victim: Server) -> Iterator[None]:
        """How long until another one owns, where it is the owner that is struck."""
        owned = self.owner().endswith(f":{victim.pid}")
        began = time.monotonic()
        yield
        if owned:
            others = lambda: (owner := self.owner()) and not owner.endswith(f":{victim.pid}")  # noqa: E731
            if eventually(others, TAKE_OVER_S):
                self.take_overs.append(time.monotonic() - began)


def faults_of(
    site: Site, sandbox: Sandbox, symbol: str, interval: str, since_ms: int = 0
) -> list[str]:
    """What is wrong with our candles of a series, from its first kline to its last trade."""
    theirs = klines(sandbox, symbol, interval)
    ours = stored(site, symbol, interval)
    traded = [open_ms for open_ms, row in theirs.items() if row[8]]
    now_ms = time.time() * 1000
    first_ms = max(min(traded), since_ms)
    closed = [ms for ms in theirs if first_ms <= ms <= max(traded)]
    closed = [ms for ms in closed if ms + INTERVALS_MS[interval] < now_ms - 3_000]
    wrong = [f"{symbol} {interval} {ms}: missing" for ms in closed if ms not in ours]
    within = range(first_ms, max(traded))
    wrong += [
        f"{symbol} {interval} {ms}: invented" for ms in ours if ms in within and ms not in theirs
    ]
    for ms in (ms for ms in closed if ms in ours):
        for name, place in KLINE_FIELDS.items():
            mine, other = Decimal(ours[ms][name]), Decimal(theirs[ms][place])
            if mine != other:
                wrong.append(f"{symbol} {interval} {ms}: {name} {plain(mine)}, not {plain(other)}")
        if ours[ms]["verdict"] not in {"exact", "repaired"}:
            wrong.append(f"{symbol} {interval} {ms}: {ours[ms]['verdict']}")
    return wrong


def all_faults(site: Site, sandbox: Sandbox) -> list[str]:
    return [
        fault
        for symbol in SYMBOLS
        for interval in INTERVALS
        for fault in faults_of(site, sandbox, symbol, interval)
    ]


def counts(site: Site) -> dict[str, Any]:
    client = redis_library.Redis.from_url(site.redis.url)
    states = read_states(client, SYMBOLS)
    return {name: msgspec.to_builtins(state.counts) for name, state in states.items()}


def traded(sandbox: Sandbox, symbol: str) -> int:
    """Trades that the exchange counts in its klines so far."""
    return sum(row[8] for row in klines(sandbox, symbol, "1s").values())


def polled(site: Site) -> list[str]:
    client = redis_library.Redis.from_url(site.redis.url)
    return [symbol for one in read_streams(client) for symbol in one.polled]


def silence_in_turns(sandbox: Sandbox, site: Site) -> None:
    """One symbol is muted, then all are on every connection, then one is suspended."""
    for fault, parameters, seconds in (
        ("mute", {"symbol": "BTCUSDT"}, 6),
        ("deaf", {}, 18),
        ("suspension", {"symbol": "ETHUSDT"}, 6),
    ):
        sandbox.inject(fault, seconds=seconds, **parameters)
        began = time.monotonic()
        if fault == "deaf":
            assert eventually(lambda: set(polled(site)) == set(SYMBOLS), seconds), "not polled"
        time.sleep(max(0.0, began + seconds + 2 - time.monotonic()))


def weather(
    system: Callable[..., Built],
    database: str,
    recorded: Path,
    seed: int,
    seconds: float,
) -> None:
    print(f"FEED_STORM_SEED={seed}")
    files = [str(next((recorded / "ticks").glob(f"{symbol}-*"))) for symbol in SYMBOLS]
    speed = RECORDED_S / (seconds + SPANS_S)
    sandbox, site = system(
        "--speed", f"{speed:.3f}", "--lifetime", "20", "--replay", *files,
        INTERVALS=",".join(INTERVALS), TRADING_ENABLED="false", DATABASE_URL=database,
    )  # fmt: skip
    site.start("web")
    storm = Storm(site, Random(seed))
    assert eventually(lambda: klines(sandbox, "BTCUSDT", "1s"), 2 * HANG_S)
    sandbox.storm(seed, 0.4)
    storm.rage(seconds)
    injected = sandbox.calm()
    silence_in_turns(sandbox, site)
    printed = len(data.ticks(recorded, "BTCUSDT"))
    assert eventually(lambda: traded(sandbox, "BTCUSDT") == printed, SETTLE_S), "not all is played"
    try:
        assert eventually(lambda: not all_faults(site, sandbox), SETTLE_S), "\n".join(
            all_faults(site, sandbox)
        )
    finally:
        print(f"{len(injected)} faults; take-overs {[round(s, 2) for s in storm.take_overs]}")
        print(f"longest take-over {max(storm.take_overs, default=0):.2f} s; {counts(site)}")
    assert not polled(site)
    # What would have been traded while ETHUSDT was suspended never was.
    assert 0 < traded(sandbox, "ETHUSDT") <= len(data.ticks(recorded, "ETHUSDT"))


@pytest.mark.processes
@pytest.mark.timeout(500)
@pytest.mark.parametrize("seed", SHORT_SEEDS)
def test_candles_are_exact_after_a_short_storm(
    own_database: str, system: Callable[..., Built], recorded: Path, seed: int
) -> None:
    weather(system, own_database, recorded, seed, 25)


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize("seed", range(1, 31))
def test_candles_are_exact_after_a_long_storm(
    own_database: str, system: Callable[..., Built], recorded: Path, seed: int
) -> None:
    weather(system, own_database, recorded, seed, 130)


MUTED_S = 150
MAX_LATE = 10


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_candles_of_a_second_are_exact_where_a_symbol_is_mute_for_long(
    system: Callable[..., Built], own_database: str
) -> None:
    sandbox, site = system(
        "--symbols", ",".join(SYMBOLS), "--seed", "7", "--rate", "3",
        INTERVALS="1s", TRADING_ENABLED="false", DATABASE_URL=own_database,
    )  # fmt: skip
    for name in ("web", "stream", "worker", "beat"):
        site.start(name)
    for symbol in SYMBOLS:
        assert eventually(lambda symbol=symbol: symbol in counts(site), 2 * HANG_S)
    since_ms = int(time.time() * 1000) + 2_000

    def wrong() -> list[str]:
        return [
            fault
            for symbol in SYMBOLS
            for fault in faults_of(site, sandbox, symbol, "1s", since_ms)
        ]

    time.sleep(10)
    sandbox.inject("mute", symbol="BTCUSDT", seconds=MUTED_S)
    until_s = time.monotonic() + MUTED_S
    asked_instead: set[str] = set()
    while time.monotonic() < until_s:
        asked_instead |= set(polled(site))
        time.sleep(1)
    assert asked_instead == {"BTCUSDT"}
    assert eventually(lambda: not polled(site), SETTLE_S)
    time.sleep(10)
    assert eventually(lambda: not wrong(), SETTLE_S), "\n".join(wrong())
    print(counts(site))
    # What REST has brought in place of the stream is folded before its candle closes.
    late = {symbol: count["late"] for symbol, count in counts(site).items()}
    assert late["ETHUSDT"] == 0
    assert late["BTCUSDT"] <= MAX_LATE, counts(site)
