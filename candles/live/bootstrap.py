"""A symbol's past up to now, fetched over REST, from which its feed goes on."""

from collections.abc import Mapping, Sequence

import msgspec

from candles.intervals import INTERVALS_MS, MINUTE_MS, SECOND_MS, floor_ms
from candles.klines import MIN_KLINE_AGE_MS, fetch_history, missing_span
from candles.ohlcv import OHLCV, base_interval_ms, flat, merged
from market.rest import MAX_ROWS, MarketRest
from market.ticks import Tick


class Bootstrap(msgspec.Struct, frozen=True):
    """A symbol up to now: closed candles per interval, then ticks that go on from there.

    `base` and `parts` are the open candles before `ticks` (candles.rollup.SymbolCandles), and
    `last_tick_id` the tick before them; None where the symbol has never traded.
    """

    symbol: str
    history: dict[str, list[OHLCV]]
    base: OHLCV | None
    parts: dict[str, OHLCV]
    ticks: list[Tick]
    last_tick_id: int | None


def fetch_bootstrap(
    rest: MarketRest,
    symbol: str,
    intervals: Sequence[str],
    now_ms: int,
    stored_until: Mapping[str, int],
) -> Bootstrap:
    """Fetch a symbol's past up to now: klines as far as they are final, ticks from there on.

    `stored_until` says per interval where stored candles end; without them HISTORY candles
    are fetched.
    """
    base_ms = base_interval_ms(intervals)
    start_ms = floor_ms(now_ms - MIN_KLINE_AGE_MS, base_ms)
    history = {
        name: _candles(rest, symbol, name, *missing_span(name, start_ms, stored_until.get(name)))
        for name in intervals
    }
    parts = {
        name: part
        for name in intervals
        if INTERVALS_MS[name] > base_ms
        and (part := _open_part(rest, symbol, INTERVALS_MS[name], start_ms)) is not None
    }
    before = rest.agg_trades(symbol, endTime=start_ms - 1, limit=1)
    ticks = _from_time(rest, symbol, start_ms)
    last_tick_id = ticks[0].tick_id - 1 if ticks else before[-1].tick_id if before else None
    base = flat(start_ms, base_ms, before[-1].price) if before else None
    return Bootstrap(symbol, history, base, parts, ticks, last_tick_id)


def _open_part(rest: MarketRest, symbol: str, interval_ms: int, until_ms: int) -> OHLCV | None:
    """The part of a longer candle that lies before `until_ms`, of minutes, then seconds."""
    open_ms = floor_ms(until_ms, interval_ms)
    minutes_end = max(open_ms, floor_ms(until_ms, MINUTE_MS))
    parts = _candles(rest, symbol, "1m", open_ms, minutes_end)
    if until_ms - minutes_end >= SECOND_MS:
        parts += _candles(rest, symbol, "1s", minutes_end, until_ms)
    return merged(parts, open_ms, interval_ms) if parts else None


def _candles(
    rest: MarketRest, symbol: str, interval: str, start_ms: int, end_ms: int
) -> list[OHLCV]:
    pages = fetch_history(rest, symbol, interval, start_ms, end_ms)
    return [candle for page in pages for candle in page]


def _from_time(rest: MarketRest, symbol: str, start_ms: int) -> list[Tick]:
    """The ticks from a time on. Raises BadFrame where one can't be read: others start here."""
    page = rest.agg_trades(symbol, startTime=start_ms)
    ticks = list(page)
    while page.listed == MAX_ROWS and not page.left_out:
        page = rest.agg_trades(symbol, fromId=page[-1].tick_id + 1)
        ticks += page
    page.check_whole("trades")
    return ticks
