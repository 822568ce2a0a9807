"""Spans of time that candles cover, as Binance names them, aligned to the epoch in UTC."""

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS

# Binance's list from 1s to 1d. Source: Spot REST, "Kline/Candlestick chart intervals".
INTERVALS_MS: dict[str, int] = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": 24 * HOUR_MS,
}
NAMES = {interval_ms: name for name, interval_ms in INTERVALS_MS.items()}


def floor_ms(time_ms: int, interval_ms: int) -> int:
    """The open time of the interval that contains `time_ms`."""
    return time_ms - time_ms % interval_ms
