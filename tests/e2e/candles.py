"""The site's candles and the exchange's klines, as anybody can ask for them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import requests

from foundation.times import to_ms
from tests.servers import HANG_S, Sandbox, Site

# Where /api/v3/klines has what a candle of ours has.
KLINE_FIELDS = {
    "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote_volume": 7, "trades": 8,
    "taker_volume": 9, "taker_quote_volume": 10,
}  # fmt: skip


def stored(site: Site, symbol: str, interval: str) -> dict[int, dict[str, Any]]:
    """The site's closed candles by open time; none before it has heard of the symbol."""
    query = {"interval": interval, "limit": "5000"}
    answer = requests.get(f"{site.url}/candles/{symbol}", query, timeout=HANG_S)
    if answer.status_code == requests.codes.not_found:
        return {}
    return {
        to_ms(datetime.fromisoformat(candle["open_time"])): candle
        for candle in answer.json()["candles"]
        if candle["closed"]
    }


def klines(sandbox: Sandbox, symbol: str, interval: str) -> dict[int, list[Any]]:
    query = {"symbol": symbol, "interval": interval, "limit": "1000"}
    rows = requests.get(f"{sandbox.rest_url}/api/v3/klines", query, timeout=HANG_S).json()
    return {row[0]: row for row in rows}


def assert_equal(candle: dict[str, Any], kline: list[Any]) -> None:
    """Equal in all nine fields."""
    for name, place in KLINE_FIELDS.items():
        assert Decimal(candle[name]) == Decimal(kline[place]), (name, candle, kline)
