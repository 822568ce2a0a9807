"""The exchange's past klines written down, page by page, however long the past is."""

from collections.abc import Callable, Sequence

from candles import fetch
from candles.fetch import SETTLED_MS
from candles.services.recording import record_history, stored_until
from market.rest import MarketRest


def catch_up_history(
    rest: MarketRest,
    symbol: str,
    intervals: Sequence[str],
    now_ms: int,
    told: Callable[[str, int], None],
) -> dict[str, int]:
    """Write down what a followed symbol's series lack up to now; return where each ends, in ms.

    Each page is committed on its own, oldest first, so whoever is interrupted goes on from there.
    `told` hears after each page the interval and up to when it is there. Raises
    ExchangeUnreachable, ExchangeRefused, and what the database raises while it is away.
    """
    until = stored_until(symbol, intervals)
    for interval in intervals:
        bounds = fetch.absence(interval, now_ms - SETTLED_MS, until.get(interval))
        for page in fetch.past(rest, symbol, interval, *bounds):
            record_history(symbol, interval, page)
            until[interval] = page[-1].end_ms
            told(interval, until[interval])
    return until
