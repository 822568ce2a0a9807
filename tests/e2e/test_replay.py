"""Recorded trades through the real processes and a bad line: the candles are the exchange's."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from candles.intervals import INTERVALS_MS, MINUTE_MS
from tests import recorded as data
from tests.e2e.candles import assert_equal, klines, stored
from tests.e2e.conftest import Built
from tests.servers import HANG_S, Sandbox, Site, eventually

SYMBOLS = ("BTCUSDT", "ETHUSDT")
RECORDED_START_MS = 1723161240000  # 23:54 UTC, the minute of the first recorded trade
FULL = range(1, 11)  # the ten minutes after it are recorded whole
PRICES = ("open", "high", "low", "close", "volume")


def check(site: Site, sandbox: Sandbox, recorded: Path, interval: str) -> None:
    """All ten full minutes of both symbols, against the recorded klines and the sandbox's."""
    minutes = range(RECORDED_START_MS, RECORDED_START_MS + 12 * MINUTE_MS, MINUTE_MS)
    for symbol in SYMBOLS:
        ours, theirs = stored(site, symbol, interval), klines(sandbox, symbol, interval)
        official = data.klines(recorded, symbol, minutes)
        start_ms = min(ours)
        for number in FULL:
            candle = ours[start_ms + number * INTERVALS_MS[interval]]
            assert_equal(candle, theirs[start_ms + number * INTERVALS_MS[interval]])
            recorded_kline = official[RECORDED_START_MS + number * MINUTE_MS]
            for name in PRICES:
                assert Decimal(candle[name]) == Decimal(recorded_kline[name]), (symbol, number)


def whole(site: Site, interval: str) -> bool:
    """Whether both symbols have all ten full candles, and the one before them."""
    return all(len(stored(site, symbol, interval)) > max(FULL) for symbol in SYMBOLS)


def disturb(sandbox: Sandbox) -> None:
    """Ticks that never come, ticks that come twice, and cuts, while trades pour in."""
    for _ in range(3):
        for symbol in SYMBOLS:
            sandbox.inject("skip_ids", symbol=symbol, count=7)
            sandbox.inject("duplicate", symbol=symbol, count=7)
        time.sleep(0.5)
        sandbox.inject("disconnect")
        time.sleep(1)


def replay(system: Callable[..., Built], recorded: Path, interval: str, speed: str) -> None:
    files = [str(next((recorded / "ticks").glob(f"{symbol}-*"))) for symbol in SYMBOLS]
    sandbox, site = system("--speed", speed, "--replay", *files, INTERVALS=interval)
    site.start("stream")
    site.start("web")
    candle_s = INTERVALS_MS[interval] / 1000
    assert eventually(lambda: stored(site, "BTCUSDT", interval), 2 * HANG_S + candle_s)
    disturb(sandbox)
    assert eventually(lambda: whole(site, interval), 2 * HANG_S + 12 * candle_s)
    check(site, sandbox, recorded, interval)


@pytest.mark.processes
@pytest.mark.timeout(400)
def test_a_recorded_minute_a_second_gives_the_exchanges_candles(
    system: Callable[..., Built], recorded: Path
) -> None:
    replay(system, recorded, "1s", "60")


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_at_its_own_speed_the_recording_gives_the_exchanges_candles(
    system: Callable[..., Built], recorded: Path
) -> None:
    replay(system, recorded, "1m", "1")
