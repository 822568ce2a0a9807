"""Recorded trades through the real processes: the candles are the exchange's own."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from candles.intervals import INTERVALS_MS, MINUTE_MS
from candles.services import ms_of
from tests import recorded as data
from tests.e2e.conftest import Built
from tests.servers import Sandbox, Site, eventually

SYMBOLS = ("BTCUSDT", "ETHUSDT")
RECORDED_START_MS = 1723161240000  # 23:54 UTC, the minute of the first recorded trade
FULL = range(1, 11)  # the ten minutes after it are recorded whole
PRICES = ("open", "high", "low", "close", "volume")
# Where /api/v3/klines has what a candle of ours has.
KLINE_FIELDS = {
    "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote_volume": 7, "trades": 8,
    "taker_volume": 9, "taker_quote_volume": 10,
}  # fmt: skip


def stored(site: Site, symbol: str, interval: str) -> dict[int, dict[str, Any]]:
    """The site's closed candles by open time."""
    query = {"interval": interval, "limit": "5000"}
    answer = requests.get(f"{site.url}/candles/{symbol}", query, timeout=10).json()
    return {
        ms_of(datetime.fromisoformat(candle["open_time"])): candle
        for candle in answer["candles"]
        if candle["closed"]
    }


def klines(sandbox: Sandbox, symbol: str, interval: str) -> dict[int, list[Any]]:
    query = {"symbol": symbol, "interval": interval, "limit": "1000"}
    rows = requests.get(f"{sandbox.rest_url}/api/v3/klines", query, timeout=10).json()
    return {row[0]: row for row in rows}


def check(site: Site, sandbox: Sandbox, recorded: Path, interval: str) -> None:
    """All ten full minutes of both symbols, against the recorded klines and the sandbox's."""
    minutes = range(RECORDED_START_MS, RECORDED_START_MS + 12 * MINUTE_MS, MINUTE_MS)
    for symbol in SYMBOLS:
        ours, theirs = stored(site, symbol, interval), klines(sandbox, symbol, interval)
        official = data.klines(recorded, symbol, minutes)
        start_ms = min(ours)
        for number in FULL:
            candle = ours[start_ms + number * INTERVALS_MS[interval]]
            kline = theirs[start_ms + number * INTERVALS_MS[interval]]
            recorded_kline = official[RECORDED_START_MS + number * MINUTE_MS]
            for name in PRICES:
                assert Decimal(candle[name]) == Decimal(recorded_kline[name]), (symbol, number)
            for name, place in KLINE_FIELDS.items():
                assert Decimal(candle[name]) == Decimal(kline[place]), (symbol, number, name)


def replay(system: Callable[..., Built], recorded: Path, interval: str, speed: str) -> None:
    files = [str(next((recorded / "ticks").glob(f"{symbol}-*"))) for symbol in SYMBOLS]
    sandbox, site = system("--speed", speed, "--replay", *files, INTERVALS=interval)
    site.start("stream")
    site.start("web")
    wait_s = 75 + 12 * INTERVALS_MS[interval] / 1000
    assert eventually(lambda: len(stored(site, "ETHUSDT", interval)) > max(FULL), wait_s)
    check(site, sandbox, recorded, interval)


@pytest.mark.processes
@pytest.mark.timeout(180)
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
