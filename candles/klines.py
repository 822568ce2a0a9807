"""The exchange's past klines, fetched and read as our candles."""

from collections.abc import Iterator

from candles.intervals import INTERVALS_MS, floor_ms
from candles.ohlcv import OHLCV
from market.rest import MarketRest
from market.wire.rest import KlineRow

HISTORY = 1000  # candles an interval starts with where none are stored; one answer holds them
MIN_KLINE_AGE_MS = 2_000  # a kline is trusted once it is closed for this long


def from_kline(row: KlineRow, interval_ms: int) -> OHLCV:
    """One of the exchange's klines as our candle."""
    open_ms, opened, high, low, close, volume, _, quote, trades, taker, taker_quote, _ = row
    return OHLCV(
        open_ms, interval_ms, opened, high, low, close, volume, quote, trades, taker, taker_quote
    )


def missing_span(interval: str, before_ms: int, stored_until_ms: int | None) -> tuple[int, int]:
    """Start and end of what a series lacks: from the newest stored candle on.

    Without a stored one it is HISTORY candles.
    """
    interval_ms = INTERVALS_MS[interval]
    end_ms = floor_ms(before_ms, interval_ms)
    start_ms = end_ms - HISTORY * interval_ms if stored_until_ms is None else stored_until_ms
    return start_ms, end_ms


def fetch_history(
    rest: MarketRest, symbol: str, interval: str, start_ms: int, end_ms: int
) -> Iterator[list[OHLCV]]:
    """The exchange's klines that open within `[start_ms, end_ms)`, oldest first, a page at a time.

    However long the time, no more than one page is held.
    """
    for page in rest.klines(symbol, interval, start_ms, end_ms):
        yield [from_kline(row, INTERVALS_MS[interval]) for row in page]
