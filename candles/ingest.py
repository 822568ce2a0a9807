"""From ticks as they arrive to ticks in sequence, folded into candles.

The id of the last folded tick is a symbol's place in the stream. Starting, restarting and a
jump in the ids are one path: fetch from that place on, and let what arrives meanwhile wait.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import msgspec
import structlog

from candles.fetch import Fetched, Joined, Refilled
from candles.ohlcv import OHLCV, SymbolCandles
from candles.store import KEPT_TICKS, SymbolState, TickRun
from market.ticks import Tick

logger = structlog.get_logger(__name__)

MOST_WAITING = 50_000  # ticks of one symbol; REST fetches what is beyond
# A gap of this length is not refilled tick by tick: its candles come from the klines.
LONGEST_REFILL_MS = 15 * 60 * 1000


class Wanted(msgspec.Struct, frozen=True):
    """Something a feed needs from REST: all of a symbol (`from_id` None), or missed ticks."""

    symbol: str
    from_id: int | None = None
    until_id: int | None = None


class Folded(msgspec.Struct):
    """What became true in a pass: candles that closed, and the ticks that were folded."""

    closed: list[OHLCV] = []
    ticks: list[Tick] = []


class SymbolFeed:
    """One symbol on its way from the socket to its candles. Does no input or output itself."""

    def __init__(
        self,
        symbol: str,
        intervals: Sequence[str],
        state: SymbolState | None = None,
        recent: Sequence[Tick] = (),
    ) -> None:
        self.symbol = symbol
        self.intervals = list(intervals)
        self.candles: SymbolCandles | None = None
        self.last_tick_id: int | None = None
        self.last_time_ms = 0
        self.live = False  # the exchange sends us its ticks
        self.wanted: Wanted | None = None  # asked for, not yet here
        self.waiting: list[Tick] = []  # arrived ahead of what is wanted
        self._outdated = False  # the line was cut after `wanted` was asked for
        self.recent: deque[Tick] = deque(recent, maxlen=KEPT_TICKS)  # newest last
        # How many of them still go to Redis. What was read from there goes back as one run, so
        # that lengths of runs need not be remembered there.
        self._unsaved = len(self.recent)
        self._runs: deque[int] = deque()  # lengths of the runs in Redis, newest last
        if state is not None and state.intervals == self.intervals:
            self.candles = SymbolCandles(intervals, state.base, state.parts)
            self.last_tick_id, self.last_time_ms = state.last_tick_id, state.last_time_ms

    @property
    def whole(self) -> bool:
        """Nothing is missing up to the last frame: the clock may close candles."""
        return self.live and self.wanted is None and self.candles is not None

    @property
    def missing(self) -> int:
        """How many ticks are known to be missing."""
        if self.wanted is None or self.last_tick_id is None or not self.waiting:
            return 0
        return self.waiting[0].tick_id - self.last_tick_id - 1

    def went_live(self, now_ms: int) -> Wanted | None:
        """Ticks flow from now on; say what has to be fetched of the time before."""
        self.live = True
        if self.wanted is not None:
            self._outdated = True
            return None
        if self.last_tick_id is None or now_ms - self.last_time_ms > LONGEST_REFILL_MS:
            self.candles = self.last_tick_id = None
            self.wanted = Wanted(self.symbol)
        else:
            self.wanted = Wanted(self.symbol, from_id=self._next_id())
        return self.wanted

    def went_silent(self) -> None:
        """The connection is gone; what still waits will be fetched with the rest."""
        self.live = False
        self.waiting.clear()

    def take(self, ticks: list[Tick]) -> Folded:
        """Fold what is in sequence, skip what was had, keep the rest waiting.

        Where ids jump, `wanted` says afterwards what to fetch.
        """
        if self.wanted is not None or self.candles is None:
            self._keep_waiting(ticks)
            return Folded()
        if self.last_tick_id is not None and not _follows(ticks, self.last_tick_id):
            self.waiting = ticks
            if self._begins_anew(ticks):
                self.candles = self.last_tick_id = None
                self.wanted = Wanted(self.symbol)
                return Folded()
            return self._fold_waiting()
        return self._fold(ticks)

    def fetched(self, answer: Fetched) -> Folded:
        """Fold what was fetched, then what waited for it."""
        self.wanted = None
        if isinstance(answer, Joined):
            self.candles = SymbolCandles(self.intervals, answer.base, answer.parts)
            self.last_tick_id = answer.last_tick_id
        folded = self._fold(_new(answer.ticks, self.last_tick_id))
        if isinstance(answer, Refilled):
            self._accept_holes(answer)
        rest = self._fold_waiting()
        if self._outdated and self.wanted is None:
            self.wanted = Wanted(self.symbol, from_id=self._next_id())
        self._outdated = False
        return Folded(folded.closed + rest.closed, folded.ticks + rest.ticks)

    def advance(self, now_ms: int) -> list[OHLCV]:
        """Close by the clock; only while `whole`."""
        return self.candles.advance(now_ms) if self.whole and self.candles else []

    def overdue(self, now_ms: int) -> bool:
        """Whether the open base candle has ended by `now_ms`."""
        base = self.candles.builder.forming if self.candles else None
        return base is not None and base.end_ms <= now_ms

    def state(self) -> SymbolState | None:
        """What a successor needs; None before the first tick."""
        base = self.candles.builder.forming if self.candles else None
        if self.candles is None or base is None or self.last_tick_id is None:
            return None
        return SymbolState(
            self.symbol, self.last_tick_id, base.close, self.last_time_ms,
            self.intervals, base, self.candles.parts,
        )  # fmt: skip

    def unsaved_run(self) -> TickRun | None:
        """The recent ticks since the last call, for Redis; None where there are none."""
        if not self._unsaved:
            return None
        count = min(self._unsaved, len(self.recent))
        newest = list(islice(self.recent, len(self.recent) - count, None))
        self._unsaved = 0
        self._runs.append(count)
        while sum(self._runs) - self._runs[0] >= KEPT_TICKS:
            self._runs.popleft()
        return TickRun(self.symbol, newest, keep=len(self._runs))

    def _keep_waiting(self, ticks: list[Tick]) -> None:
        self.waiting += ticks
        if len(self.waiting) > MOST_WAITING:
            self.waiting = []
            self._outdated = True  # the answer that is under way cannot be the last word

    def _begins_anew(self, ticks: Sequence[Tick]) -> bool:
        """Whether the exchange counts from another beginning: an old id at a newer time.

        So it does after a testnet reset. A mere double bears the time that it had.
        """
        last_id, last_ms = self.last_tick_id or 0, self.last_time_ms
        anew = any(tick.tick_id <= last_id and tick.time_ms > last_ms for tick in ticks)
        if anew:
            logger.warning("ticks.begin_anew", symbol=self.symbol, last_id=last_id)
        return anew

    def _fold_waiting(self) -> Folded:
        """Fold the part of `waiting` that is in sequence; want what is missing before the rest."""
        waiting = _new(self.waiting, self.last_tick_id)
        ready = _run_length(waiting, self.last_tick_id)
        self.waiting = waiting[ready:]
        folded = self._fold(waiting[:ready])
        if self.waiting and self.last_tick_id is not None:
            self.wanted = Wanted(
                self.symbol, self.last_tick_id + 1, until_id=self.waiting[0].tick_id - 1
            )
        return folded

    def _fold(self, ticks: list[Tick]) -> Folded:
        if not ticks or self.candles is None:
            return Folded()
        closed = self.candles.add(ticks)
        self.last_tick_id, self.last_time_ms = ticks[-1].tick_id, ticks[-1].time_ms
        self.recent.extend(ticks)
        self._unsaved += len(ticks)
        if self.candles.builder.late:
            self._report_late(self.candles.builder.late)
        return Folded(closed, ticks)

    def _next_id(self) -> int | None:
        return None if self.last_tick_id is None else self.last_tick_id + 1

    def _accept_holes(self, answer: Refilled) -> None:
        """The exchange has proven to have no ids but those it gave: go on behind them."""
        if self.last_tick_id is not None and answer.through_id > self.last_tick_id:
            logger.warning(
                "ticks.hole", symbol=self.symbol,
                from_id=self.last_tick_id + 1, until_id=answer.through_id,
            )  # fmt: skip
            self.last_tick_id = answer.through_id

    def _report_late(self, late: list[Tick]) -> None:
        for tick in late:
            logger.error("tick.late", symbol=self.symbol, tick=tick.tick_id, time=tick.time_ms)
        late.clear()


def _follows(ticks: Sequence[Tick], last_id: int) -> bool:
    """Whether the ids go on from `last_id`, one by one."""
    return [tick.tick_id for tick in ticks] == list(range(last_id + 1, last_id + 1 + len(ticks)))


def _new(ticks: Sequence[Tick], last_id: int | None) -> list[Tick]:
    """Those behind `last_id`, each once, in the order of their ids."""
    by_id = {tick.tick_id: tick for tick in ticks if last_id is None or tick.tick_id > last_id}
    return [by_id[tick_id] for tick_id in sorted(by_id)]


def _run_length(ticks: Sequence[Tick], last_id: int | None) -> int:
    """How many of `ticks` go on from `last_id` (or from the first) without a jump."""
    if not ticks:
        return 0
    first = ticks[0].tick_id if last_id is None else last_id + 1
    for count, tick in enumerate(ticks):
        if tick.tick_id != first + count:
            return count
    return len(ticks)


class Ingest:
    """All symbols of one stream process."""

    def __init__(self, intervals: Sequence[str], fetch: Callable[[Wanted], None]) -> None:
        self.intervals = intervals
        self.feeds: dict[str, SymbolFeed] = {}
        self._fetch = fetch

    def follow(
        self,
        symbols: Sequence[str],
        states: Mapping[str, SymbolState],
        recent: Mapping[str, Sequence[Tick]],
    ) -> list[str]:
        """Follow exactly `symbols`, from their stored states and recent ticks on.

        Returns those that were dropped.
        """
        dropped = [symbol for symbol in self.feeds if symbol not in symbols]
        for symbol in dropped:
            del self.feeds[symbol]
        for symbol in symbols:
            if symbol not in self.feeds:
                self.feeds[symbol] = SymbolFeed(
                    symbol, self.intervals, states.get(symbol), recent.get(symbol, ())
                )
        return dropped

    def went_live(self, symbols: Sequence[str], now_ms: int) -> None:
        for feed in (self.feeds[symbol] for symbol in symbols if symbol in self.feeds):
            if wanted := feed.went_live(now_ms):
                self._fetch(wanted)

    def went_silent(self) -> None:
        for feed in self.feeds.values():
            feed.went_silent()

    def take(self, ticks: Sequence[Tick]) -> dict[str, Folded]:
        """Fold a batch of ticks of any symbols."""
        by_symbol: dict[str, list[Tick]] = {}
        for tick in ticks:
            if tick.symbol in by_symbol:
                by_symbol[tick.symbol].append(tick)
            else:
                by_symbol[tick.symbol] = [tick]
        folded: dict[str, Folded] = {}
        for symbol, run in by_symbol.items():
            if feed := self.feeds.get(symbol):
                before = feed.wanted
                folded[symbol] = feed.take(run)
                self._fetch_wanted(feed, before)
        return folded

    def fetched(self, answer: Fetched) -> Folded:
        feed = self.feeds.get(answer.symbol)
        if feed is None:  # dropped meanwhile
            return Folded()
        before = feed.wanted
        folded = feed.fetched(answer)
        self._fetch_wanted(feed, before)
        return folded

    def advance(self, now_ms: int) -> dict[str, Folded]:
        """Close by the clock what is proven whole up to `now_ms`."""
        return {
            symbol: Folded(closed)
            for symbol, feed in self.feeds.items()
            if (closed := feed.advance(now_ms))
        }

    def overdue(self, now_ms: int) -> bool:
        """Whether a whole feed's candle has ended, so that proof of silence is wanted."""
        return any(feed.whole and feed.overdue(now_ms) for feed in self.feeds.values())

    def _fetch_wanted(self, feed: SymbolFeed, before: Wanted | None) -> None:
        if feed.wanted is not None and feed.wanted is not before:
            self._fetch(feed.wanted)
