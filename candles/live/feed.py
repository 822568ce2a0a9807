"""From ticks as they arrive to ticks in sequence, folded into candles.

The id of the last folded tick is a symbol's place in the stream. Starting, restarting and a
jump in the ids are one path: fetch from that place on, and let what arrives meanwhile wait.
"""

from collections.abc import Iterable, Sequence

import msgspec
import structlog

from candles.live.joining import Joined
from candles.live.missing import Fetched, Refilled
from candles.live.recent import RecentTicks
from candles.live.state import Counts, SymbolState
from candles.ohlcv import OHLCV, SymbolCandles
from market.ticks import Tick
from market.wire import KlineEvent

logger = structlog.get_logger(__name__)

GRACE_MS = 2_500  # a tick has been seen this long under way; short intervals wait half of one
MOST_WAITING = 50_000  # ticks of one symbol; REST fetches what is beyond
# A gap of this length is not refilled tick by tick: its candles come from the klines.
LONGEST_REFILL_MS = 15 * 60 * 1000
# How long a candle stays open for trades that the exchange's kline counts and nobody sends.
OWED_MS = 10_000
ASK_EVERY_MS = 1_000


class Wanted(msgspec.Struct, frozen=True):
    """Something a feed needs from REST: all of a symbol (`from_id` None), or missed ticks."""

    symbol: str
    from_id: int | None = None
    until_id: int | None = None


class Owed(msgspec.Struct):
    """Trades of the open base candle that the exchange's own kline counts and we don't have.

    Times are the exchange's: when REST is to be asked next, and until when the candle waits.
    """

    open_ms: int
    trades: int
    ask_ms: int
    until_ms: int


class Folded(msgspec.Struct):
    """What became true in a pass: candles that closed, ticks that were folded, and those of
    them whose candle had closed before.
    """

    closed: list[OHLCV] = []
    ticks: list[Tick] = []
    late: list[Tick] = []

    def then(self, later: "Folded") -> "Folded":
        return Folded(self.closed + later.closed, self.ticks + later.ticks, self.late + later.late)


NOTHING = Folded()


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
        self.counts = state.counts if state else Counts()
        self.live = False  # the exchange sends us its ticks
        self.wanted: Wanted | None = None  # asked for, not yet here
        self.owed: Owed | None = None
        self.waiting: list[Tick] = []  # arrived ahead of what is wanted
        self._outdated = False  # the line was cut after `wanted` was asked for
        self.recent = RecentTicks(symbol, recent)
        if state is not None and state.intervals == self.intervals:
            self.candles = SymbolCandles(intervals, state.base, state.parts, state.last_time_ms)
            self.last_tick_id, self.last_time_ms = state.last_tick_id, state.last_time_ms

    @property
    def whole(self) -> bool:
        """Nothing is known to be missing: proof of silence may close candles."""
        return self.live and self.wanted is None and self.candles is not None

    @property
    def forming(self) -> OHLCV | None:
        """The open base candle; None before the first tick or price."""
        return self.candles.builder.forming if self.candles else None

    @property
    def missing(self) -> int:
        """How many ticks are known to be missing."""
        if self.wanted is None or self.last_tick_id is None or not self.waiting:
            return 0
        return self.waiting[0].tick_id - self.last_tick_id - 1

    def went_live(self, now_ms: int, heard: Iterable[Tick] = ()) -> Folded:
        """Ticks flow from now on; `heard` are those that came before we were asked to fold.

        Where these don't go on from our place, `wanted` says what to fetch of the time before.
        """
        self.live = True
        self.waiting = list(heard)
        if self.wanted is not None:
            self._outdated = True
        elif self.last_tick_id is None or now_ms - self.last_time_ms > LONGEST_REFILL_MS:
            self._begin_afresh()
        elif self.waiting and self.waiting[0].tick_id <= self.last_tick_id + 1:
            return self._fold_waiting()
        else:
            self.wanted = Wanted(self.symbol, from_id=self.last_tick_id + 1)
        return NOTHING

    def went_silent(self) -> None:
        """The connection is gone; what still waits will be fetched with the rest."""
        self.live = False
        self.waiting.clear()

    def take(self, ticks: list[Tick]) -> Folded:
        """Fold what is in sequence, skip what was had, keep the rest waiting.

        Where ids jump, `wanted` says afterwards what to fetch.
        """
        if self.candles is None or self.wanted is not None:
            return self._take_ahead(ticks)
        if self.last_tick_id is not None and not _follows(ticks, self.last_tick_id):
            self.waiting = ticks
            if self._begins_anew(ticks):
                self._begin_afresh()
                return NOTHING
            return self._fold_waiting()
        return self._fold(ticks)

    def heard(self, kline: KlineEvent) -> Folded:
        """Hold the open base candle against the exchange's last word on it.

        With as many trades as that counts it is complete, and closes. With fewer, ticks are
        missing although no id has jumped yet: the candle waits for them.
        """
        forming = self.forming
        if not (kline.closed and self.whole and forming and forming.open_ms == kline.open_ms):
            return NOTHING
        if forming.trades < kline.trades:
            until_ms = kline.event_ms + OWED_MS
            self.owed = Owed(kline.open_ms, kline.trades, kline.event_ms, until_ms)
            return NOTHING
        return self._close(forming.end_ms) if forming.trades == kline.trades else NOTHING

    def fetched(self, answer: Fetched) -> Folded:
        """Fold what was fetched, then what waited for it."""
        if isinstance(answer, Joined):
            self.candles = SymbolCandles(self.intervals, answer.base, answer.parts)
            self.last_tick_id, self.owed = answer.last_tick_id, None
        elif self.wanted is None or self.wanted.from_id != answer.from_id:
            return NOTHING  # the stream was faster
        self.wanted = None
        new = _new(answer.ticks, self.last_tick_id)
        folded = self._fold(new)
        if isinstance(answer, Refilled):
            self.counts.refilled += len(new)
            self._accept_holes(answer)
        folded = folded.then(self._fold_waiting())
        if self._outdated and self.wanted is None and self.last_tick_id is not None:
            self.wanted = Wanted(self.symbol, from_id=self.last_tick_id + 1)
        self._outdated = False
        return folded

    def advance(self, proven_ms: int) -> Folded:
        """Close what has ended by `proven_ms`, the exchange's time up to which all has come."""
        forming = self.forming
        if not self.whole or forming is None:
            return NOTHING
        if self.owed is not None and self.owed.open_ms == forming.open_ms:
            if proven_ms < self.owed.until_ms:
                self._ask_for_owed(self.owed, proven_ms)
                return NOTHING
            logger.error("trades.owed", symbol=self.symbol, candle=forming.open_ms)
        return self._close(proven_ms) if forming.end_ms <= proven_ms else NOTHING

    def state(self) -> SymbolState | None:
        """What a successor needs; None before the first tick."""
        base = self.forming
        if self.candles is None or base is None or self.last_tick_id is None:
            return None
        return SymbolState(
            self.symbol, self.last_tick_id, base.close, self.last_time_ms,
            self.intervals, base, self.candles.parts, self.counts,
        )  # fmt: skip

    def _begin_afresh(self) -> None:
        self.candles = self.last_tick_id = self.owed = None
        self.wanted = Wanted(self.symbol)

    def _take_ahead(self, ticks: list[Tick]) -> Folded:
        """Keep ticks waiting; where they bring what was wanted, REST's answer is not needed."""
        self.waiting += ticks
        if len(self.waiting) > MOST_WAITING:
            self.waiting = []
            self._outdated = True  # the answer that is under way cannot be the last word
        missed = self.wanted.until_id if self.wanted else None
        if missed is not None and self.last_tick_id is not None and not self._outdated:
            ids = {tick.tick_id for tick in self.waiting if tick.tick_id <= missed}
            if len(ids) >= missed - self.last_tick_id:
                self.wanted = None
                return self._fold_waiting()
        return NOTHING

    def _begins_anew(self, ticks: Sequence[Tick]) -> bool:
        """Whether the exchange counts from another beginning: an old id at a newer time.

        So it does after a testnet reset. A mere double bears the time that it had.
        """
        last_id, last_ms = self.last_tick_id or 0, self.last_time_ms
        newer = [one for one in ticks if one.tick_id <= last_id and one.time_ms > last_ms]
        # The last tick is not the newest where it was dated back.
        had = {one.tick_id: one.time_ms for one in self.recent} if newer else {}
        anew = any(had.get(one.tick_id) != one.time_ms for one in newer)
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
            return NOTHING
        closed = self.candles.add(ticks)
        self.last_tick_id = ticks[-1].tick_id
        self.last_time_ms = max(self.last_time_ms, ticks[-1].time_ms)
        self.recent.add(ticks)
        folded = Folded(closed, ticks, self._late(self.candles))
        return folded if self.owed is None else folded.then(self._settle_owed(self.owed))

    def _late(self, candles: SymbolCandles) -> list[Tick]:
        late, candles.late = candles.late, []
        if late:
            logger.warning(
                "ticks.late", symbol=self.symbol, count=len(late), from_id=late[0].tick_id
            )
            self.counts.late += len(late)
        return late

    def _settle_owed(self, owed: Owed) -> Folded:
        """Close the candle that waited once it has what was owed, or forget the debt."""
        forming = self.forming
        if forming is None or forming.open_ms != owed.open_ms:
            self.owed = None
        elif forming.trades >= owed.trades:
            return self._close(forming.end_ms) if forming.trades == owed.trades else NOTHING
        return NOTHING

    def _ask_for_owed(self, owed: Owed, now_ms: int) -> None:
        if now_ms >= owed.ask_ms and self.last_tick_id is not None:
            owed.ask_ms = now_ms + ASK_EVERY_MS
            self.wanted = Wanted(self.symbol, from_id=self.last_tick_id + 1)

    def _close(self, until_ms: int) -> Folded:
        assert self.candles is not None  # noqa: S101  # there is a forming one
        self.owed = None
        return Folded(self.candles.advance(until_ms))

    def _accept_holes(self, answer: Refilled) -> None:
        """Go on behind ids that the exchange doesn't have, or doesn't give us."""
        if self.last_tick_id is None or answer.through_id <= self.last_tick_id:
            return
        hole = answer.through_id - self.last_tick_id
        logger.warning(
            "ticks.hole", symbol=self.symbol, confirmed=not answer.given_up,
            from_id=self.last_tick_id + 1, until_id=answer.through_id,
        )  # fmt: skip
        if answer.given_up:
            self.counts.given_up += hole
        else:
            self.counts.holes += hole
        self.last_tick_id = answer.through_id


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
