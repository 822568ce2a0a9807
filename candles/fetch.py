"""What the stream did not bring, fetched over REST: past candles and missed ticks.

These questions take time, so threads ask them (`Fetcher`) while the stream goes on.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

import msgspec
import structlog

from candles.intervals import INTERVALS_MS, MINUTE_MS, SECOND_MS, floor_ms
from candles.ohlcv import OHLCV, base_interval_ms, flat, merged
from market.binance import BadFrame, KlineRow
from market.rest import PAGE, ExchangeRefused, ExchangeUnreachable, MarketRest
from market.ticks import Tick

logger = structlog.get_logger(__name__)

THREADS = 4
HISTORY = 1000  # candles an interval starts with where none are stored; one answer holds them
SETTLED_MS = 2_000  # a kline is trusted once it is closed for this long
REST_LAG_S = 10  # how long REST may need to know a tick that the stream has shown


class Joined(msgspec.Struct, frozen=True):
    """A symbol up to now: closed candles per interval, then ticks that go on from there.

    `base` and `parts` are the open candles before `ticks` (candles.ohlcv.SymbolCandles), and
    `last_tick_id` the tick before them; None where the symbol has never traded.
    """

    symbol: str
    history: dict[str, list[OHLCV]]
    base: OHLCV | None
    parts: dict[str, OHLCV]
    ticks: list[Tick]
    last_tick_id: int | None


class Refilled(msgspec.Struct, frozen=True):
    """Missed ticks. Up to `through_id` the exchange has no others."""

    symbol: str
    ticks: list[Tick]
    through_id: int


Fetched = Joined | Refilled


def candle_of(row: KlineRow, interval_ms: int) -> OHLCV:
    """One of the exchange's klines as our candle."""
    open_ms, opened, high, low, close, volume, _, quote, trades, taker, taker_quote, _ = row
    return OHLCV(
        open_ms, interval_ms, opened, high, low, close, volume, quote, trades, taker, taker_quote
    )


def join(
    rest: MarketRest,
    symbol: str,
    intervals: Sequence[str],
    now_ms: int,
    stored_until: Mapping[str, int],
) -> Joined:
    """Fetch a symbol's past up to now: klines as far as they are settled, ticks from there on.

    `stored_until` says per interval where stored candles end; without them HISTORY candles
    are fetched.
    """
    base_ms = base_interval_ms(intervals)
    start_ms = floor_ms(now_ms - SETTLED_MS, base_ms)
    history = {
        name: _candles(rest, symbol, name, *absence(name, start_ms, stored_until.get(name)))
        for name in intervals
    }
    parts = {
        name: part
        for name in intervals
        if INTERVALS_MS[name] > base_ms
        and (part := _begun(rest, symbol, INTERVALS_MS[name], start_ms)) is not None
    }
    before = rest.agg_trades(symbol, endTime=start_ms - 1, limit=1)
    ticks = _from_time(rest, symbol, start_ms)
    last_tick_id = ticks[0].tick_id - 1 if ticks else before[-1].tick_id if before else None
    base = flat(start_ms, base_ms, before[-1].price) if before else None
    return Joined(symbol, history, base, parts, ticks, last_tick_id)


def absence(interval: str, before_ms: int, stored_until_ms: int | None) -> tuple[int, int]:
    """From when to when closed candles are missing: from the newest stored one on.

    Without a stored one it is HISTORY candles.
    """
    interval_ms = INTERVALS_MS[interval]
    end_ms = floor_ms(before_ms, interval_ms)
    start_ms = end_ms - HISTORY * interval_ms if stored_until_ms is None else stored_until_ms
    return start_ms, end_ms


def past(
    rest: MarketRest, symbol: str, interval: str, start_ms: int, end_ms: int
) -> Iterator[list[OHLCV]]:
    """The exchange's klines that open within `[start_ms, end_ms)`, oldest first, a page at a time.

    However long the time, no more than one page is held.
    """
    for page in rest.klines(symbol, interval, start_ms, end_ms):
        yield [candle_of(row, INTERVALS_MS[interval]) for row in page]


def _begun(rest: MarketRest, symbol: str, interval_ms: int, until_ms: int) -> OHLCV | None:
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
    pages = past(rest, symbol, interval, start_ms, end_ms)
    return [candle for page in pages for candle in page]


def _from_time(rest: MarketRest, symbol: str, start_ms: int) -> list[Tick]:
    page = ticks = rest.agg_trades(symbol, startTime=start_ms)
    while len(page) == PAGE:
        page = rest.agg_trades(symbol, fromId=page[-1].tick_id + 1)
        ticks += page
    return ticks


def refill(rest: MarketRest, symbol: str, from_id: int, until_id: int | None) -> Refilled:
    """Fetch the ticks from `from_id` to `until_id`, or to the newest where that is None.

    REST may know a tick later than the stream; what it still doesn't know after REST_LAG_S
    doesn't exist.
    """
    ticks: list[Tick] = []
    next_id, deadline = from_id, time.monotonic() + REST_LAG_S
    while True:
        page = rest.agg_trades(symbol, fromId=next_id)
        ticks += page
        next_id = page[-1].tick_id + 1 if page else next_id
        if until_id is None and len(page) < PAGE:
            return Refilled(symbol, ticks, next_id - 1)
        if until_id is not None and next_id > until_id:
            return Refilled(symbol, ticks, next_id - 1)
        if until_id is not None and len(page) < PAGE:
            if time.monotonic() > deadline:
                logger.error("ticks.missing", symbol=symbol, from_id=next_id, until_id=until_id)
                return Refilled(symbol, ticks, until_id)
            time.sleep(0.2)


class Fetcher:
    """Asks in threads, again and again until there is an answer or `stop`.

    The threads are daemons: a question under way does not keep the process from ending.
    """

    FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], Fetched], str]] = SimpleQueue()
        self._answers: SimpleQueue[Fetched] = SimpleQueue()
        self._stopping = threading.Event()
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True).start()

    def start(self, ask: Callable[[], Fetched], symbol: str) -> None:
        self._asked.put((ask, symbol))

    def finished(self) -> list[Fetched]:
        """The answers that came since the last call."""
        answers: list[Fetched] = []
        while not self._answers.empty():
            answers.append(self._answers.get())
        return answers

    def stop(self) -> None:
        self._stopping.set()

    def _work(self) -> None:
        while not self._stopping.is_set():
            with suppress(Empty):
                ask, symbol = self._asked.get(timeout=1)
                self._until_answered(ask, symbol)

    def _until_answered(self, ask: Callable[[], Fetched], symbol: str) -> None:
        wait_s = self.FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                self._answers.put(ask())
                return
            except ExchangeUnreachable as error:
                logger.warning("fetch.failed", symbol=symbol, error=str(error))
                self._stopping.wait(max(wait_s, error.retry_after_s))
            except (ExchangeRefused, BadFrame) as error:
                logger.error("fetch.refused", symbol=symbol, error=str(error))
                self._stopping.wait(self.LAST_RETRY_S)
            wait_s = min(2 * wait_s, self.LAST_RETRY_S)
