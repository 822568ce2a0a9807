"""Candles that are not stored, and those of the last hours inserted from the exchange's klines."""

from collections.abc import Sequence
from datetime import datetime

import redis
import structlog

from candles.intervals import HOUR_MS, INTERVALS_MS, floor_ms
from candles.klines import MIN_KLINE_AGE_MS
from candles.models import Candle
from candles.services.kline_requests import AbsentKlines, kline_requests
from candles.services.recording import record_history
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.rest import MarketRest

logger = structlog.get_logger(__name__)

LOOK_BACK_MS = 6 * HOUR_MS


def insert_missing(
    rest: MarketRest, client: redis.Redis, intervals: Sequence[str], now: datetime
) -> None:
    """Write down recent candles that are missing between others, from the exchange's klines.

    Behind the newest one nothing is missing: those the stream brings, and strategies wait for
    them. `now` is by the exchange's clock. Raises ExchangeUnreachable.
    """
    absent = AbsentKlines(client, to_ms(now))
    missing = {
        (symbol, interval): times
        for symbol in Symbol.objects.followed()
        for interval in intervals
        if (times := _missing(symbol, interval, to_ms(now)))
    }
    for request in kline_requests(missing, absent):
        klines = request.fetch(rest)
        trusted = [one for one in klines.values() if one.end_ms <= to_ms(now) - MIN_KLINE_AGE_MS]
        record_history(request.symbol.name, request.interval, trusted, now)
        absent.remember(request, klines)
        logger.warning(
            "candles.inserted", symbol=request.symbol.name, interval=request.interval,
            first=to_time(request.open_times[0]).isoformat(), missing=len(request.open_times),
            inserted=len(trusted),
        )  # fmt: skip


def _missing(symbol: Symbol, interval: str, now_ms: int) -> list[int]:
    """Open times of the last hours between the first and the newest stored candle, without one."""
    stored = Candle.objects.series(symbol, interval)
    first_ms, last_ms = stored.first_open_ms(), stored.last_open_ms()
    if first_ms is None or last_ms is None:
        return []
    interval_ms = INTERVALS_MS[interval]
    start_ms = floor_ms(max(first_ms, now_ms - LOOK_BACK_MS), interval_ms)
    end_ms = floor_ms(last_ms, interval_ms)
    there = stored.opening_in(start_ms, end_ms).count()
    if there * interval_ms >= end_ms - start_ms:  # nearly always, and counting is cheap
        return []
    return missing_open_times(symbol.pk, interval, start_ms, end_ms)


def missing_open_times(symbol_id: int, interval: str, start_ms: int, end_ms: int) -> list[int]:
    """Open times of the candles that are not stored, of those that open in `[start, end)`.

    Both bounds are multiples of the interval. Where the exchange's own open off the boundary, as
    some of 2017 and 2018 do, one stands for the interval that it opens in.
    """
    interval_ms = INTERVALS_MS[interval]
    stored = Candle.objects.series(symbol_id, interval).opening_in(start_ms, end_ms)
    times = stored.order_by().values_list("open_time", flat=True)
    there = {floor_ms(to_ms(time), interval_ms) for time in times}
    return [ms for ms in range(start_ms, end_ms, interval_ms) if ms not in there]
