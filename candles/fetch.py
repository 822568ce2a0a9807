"""What the stream did not bring, fetched over REST: past candles and missed ticks.

These questions take time, so threads ask them (`Fetcher`) while the stream goes on.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
LOOK_AGAIN_S = 0.2
GIVE_UP_S = 60  # missed ticks that REST doesn't give for so long: the candle goes on without


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
    """Missed ticks from `from_id` on. Up to `through_id` the exchange has no others.

    That is its own word, unless we have `given_up` asking.
    """

    symbol: str
    from_id: int
    ticks: list[Tick]
    through_id: int
    given_up: bool = False


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


class NotYet(Exception):
    """REST doesn't know yet what the stream has shown."""


@dataclass
class Refill:
    """Fetches the ticks from `from_id` to `until_id`, or to the newest where that is None.

    Each call asks on from where the last one failed. An id that is left out by an answer with
    higher ones doesn't exist; what no answer goes beyond within REST_LAG_S, and what nobody
    answers within GIVE_UP_S, is given up.
    """

    rest: MarketRest
    symbol: str
    from_id: int
    until_id: int | None
    ticks: list[Tick] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)

    def __call__(self) -> Refilled:
        """Raises NotYet, or what MarketRest does, where asking again may help."""
        try:
            while not self._complete(page := self._page()):
                if len(page) < PAGE:
                    return self._gave_up_after(REST_LAG_S, NotYet())
        except (ExchangeUnreachable, ExchangeRefused, BadFrame) as error:
            return self._gave_up_after(GIVE_UP_S, error)
        return Refilled(self.symbol, self.from_id, self.ticks, self._next_id - 1)

    @property
    def _next_id(self) -> int:
        return self.ticks[-1].tick_id + 1 if self.ticks else self.from_id

    def _page(self) -> list[Tick]:
        page = self.rest.agg_trades(self.symbol, fromId=self._next_id)
        self.ticks += page
        return page

    def _complete(self, page: Sequence[Tick]) -> bool:
        if self.until_id is None:
            return len(page) < PAGE
        return self._next_id > self.until_id

    def _gave_up_after(self, seconds: float, failure: Exception) -> Refilled:
        if time.monotonic() - self.began_s < seconds:
            raise failure
        through_id = self._next_id - 1 if self.until_id is None else self.until_id
        return Refilled(self.symbol, self.from_id, self.ticks, through_id, given_up=True)


@dataclass
class Errand:
    """Something to ask, when next, and how long to wait should that fail again."""

    symbol: str
    ask: Callable[[], Fetched]
    due_s: float = 0.0  # time.monotonic()
    wait_s: float = 0.5


class Fetcher:
    """Asks in threads, again and again until there is an answer or `stop`.

    Between two tries no thread waits, so a symbol in trouble doesn't hold up the others. The
    threads are daemons: a question under way does not keep the process from ending.
    """

    LONGEST_WAIT_S = 30.0

    def __init__(self) -> None:
        self._asked: SimpleQueue[Errand] = SimpleQueue()
        self._answers: SimpleQueue[Fetched] = SimpleQueue()
        self._failed: SimpleQueue[Errand] = SimpleQueue()
        self._later: list[Errand] = []
        self._stopping = threading.Event()
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True).start()

    def start(self, symbol: str, ask: Callable[[], Fetched]) -> None:
        self._asked.put(Errand(symbol, ask))

    def finished(self) -> list[Fetched]:
        """The answers that came since the last call."""
        self._ask_again()
        answers: list[Fetched] = []
        while not self._answers.empty():
            answers.append(self._answers.get())
        return answers

    def stop(self) -> None:
        self._stopping.set()

    def _ask_again(self) -> None:
        while not self._failed.empty():
            self._later.append(self._failed.get())
        if not self._later:
            return
        now_s = time.monotonic()
        for errand in [one for one in self._later if one.due_s <= now_s]:
            self._later.remove(errand)
            self._asked.put(errand)

    def _work(self) -> None:
        while not self._stopping.is_set():
            with suppress(Empty):
                self._try(self._asked.get(timeout=1))

    def _try(self, errand: Errand) -> None:
        try:
            self._answers.put(errand.ask())
            return
        except NotYet:
            wait_s = LOOK_AGAIN_S
        except ExchangeUnreachable as error:
            logger.warning("fetch.failed", symbol=errand.symbol, error=str(error))
            wait_s = max(errand.wait_s, error.retry_after_s)
            errand.wait_s = min(2 * errand.wait_s, self.LONGEST_WAIT_S)
        except (ExchangeRefused, BadFrame) as error:
            logger.error("fetch.refused", symbol=errand.symbol, error=str(error))
            wait_s = self.LONGEST_WAIT_S
        errand.due_s = time.monotonic() + wait_s
        self._failed.put(errand)
