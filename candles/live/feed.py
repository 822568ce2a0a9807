"""One symbol's ticks as they arrive, brought into sequence and folded into candles.

The id of the last folded tick is a symbol's offset in the stream. Starting, restarting and a
jump in the ids are one path: fetch from that offset on, and let what arrives meanwhile wait.
"""

from collections.abc import Iterable, Sequence

import msgspec
import structlog

from candles.live.bootstrap import Bootstrap
from candles.live.missing import Fetched, FetchRequest, Refill
from candles.live.recent import RecentTicks
from candles.live.sequence import in_sequence, run_length, unseen
from candles.live.state import Counts, SymbolState
from candles.ohlcv import OHLCV, SymbolCandles
from market.ticks import Tick
from market.wire import KlineEvent

logger = structlog.get_logger(__name__)

GRACE_MS = 2_500  # a tick has been seen this long under way; short intervals wait half of one
MAX_WAITING_TICKS = 50_000  # of one symbol; REST fetches what is beyond
# A longer gap is not refilled tick by tick: its candles come from the klines.
MAX_REFILL_MS = 15 * 60 * 1000
# How long a candle stays open for trades that the exchange's kline counts and nobody sends.
MAX_TRADES_WAIT_MS = 10_000
REFETCH_EVERY_MS = 1_000


class MissingTrades(msgspec.Struct):
    """Trades of the open base candle that the exchange's own kline counts and we don't have.

    Times are the exchange's: when REST is to be asked next, and until when the candle waits.
    """

    open_ms: int
    trades: int
    ask_ms: int
    until_ms: int


class Folded(msgspec.Struct):
    """Outcome of one pass: candles that closed, ticks that were folded, and those of them
    whose candle had closed before.
    """

    closed: list[OHLCV] = []
    ticks: list[Tick] = []
    late: list[Tick] = []

    def merge(self, later: "Folded") -> "Folded":
        """Both outcomes as that of one pass."""
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
        self.pending: FetchRequest | None = None  # asked for, not yet here
        self.missing_trades: MissingTrades | None = None
        self.waiting: list[Tick] = []  # arrived ahead of what is pending
        self._outdated = False  # the line was cut after `pending` was asked for
        self.recent = RecentTicks(symbol, recent)
        if state is not None and state.intervals == self.intervals:
            self.candles = SymbolCandles(intervals, state.base, state.parts, state.last_time_ms)
            self.last_tick_id, self.last_time_ms = state.last_tick_id, state.last_time_ms

    @property
    def is_complete(self) -> bool:
        """Nothing is known to be missing: proof of silence may close candles."""
        return self.live and self.pending is None and self.candles is not None

    @property
    def forming(self) -> OHLCV | None:
        """The open base candle; None before the first tick or price."""
        return self.candles.builder.forming if self.candles else None

    @property
    def missing_ticks(self) -> int:
        """Number of ticks that are known to be missing."""
        if self.pending is None or self.last_tick_id is None or not self.waiting:
            return 0
        return self.waiting[0].tick_id - self.last_tick_id - 1

    def on_live(self, now_ms: int, buffered: Iterable[Tick] = ()) -> Folded:
        """Ticks flow from now on; `buffered` are those that came before we were to fold them.

        Where these don't go on from our offset, `pending` says what to fetch of the time before.
        """
        self.live = True
        self.waiting = list(buffered)
        if self.pending is not None:
            self._outdated = True
        elif self.last_tick_id is None or now_ms - self.last_time_ms > MAX_REFILL_MS:
            self._restart()
        elif self.waiting and self.waiting[0].tick_id <= self.last_tick_id + 1:
            return self._fold_waiting()
        else:
            self.pending = FetchRequest(self.symbol, from_id=self.last_tick_id + 1)
        return NOTHING

    def on_silent(self) -> None:
        """The connection is gone; what still waits will be fetched with the rest."""
        self.live = False
        self.waiting.clear()

    def receive(self, ticks: list[Tick]) -> Folded:
        """Fold ticks that are in sequence, skip those that were had, keep the rest waiting.

        Where ids jump, `pending` says afterwards what to fetch.
        """
        if self.candles is None or self.pending is not None:
            return self._keep_waiting(ticks)
        if self.last_tick_id is not None and not in_sequence(ticks, self.last_tick_id):
            self.waiting = ticks
            if self._ids_were_reset(ticks):
                self._restart()
                return NOTHING
            return self._fold_waiting()
        return self._fold(ticks)

    def receive_kline(self, kline: KlineEvent) -> Folded:
        """Compare the open base candle with the exchange's last word on it.

        With as many trades as that counts it is complete, and closes. With fewer, ticks are
        missing although no id has jumped yet: the candle waits for them.
        """
        forming = self.forming
        if not (kline.closed and self.is_complete and forming and forming.open_ms == kline.open_ms):
            return NOTHING
        if forming.trades < kline.trades:
            until_ms = kline.event_ms + MAX_TRADES_WAIT_MS
            self.missing_trades = MissingTrades(
                kline.open_ms, kline.trades, kline.event_ms, until_ms
            )
            return NOTHING
        return self._close(forming.end_ms) if forming.trades == kline.trades else NOTHING

    def receive_fetched(self, answer: Fetched) -> Folded:
        """Fold fetched ticks, then those that waited for them."""
        if isinstance(answer, Bootstrap):
            self.candles = SymbolCandles(self.intervals, answer.base, answer.parts)
            self.last_tick_id, self.missing_trades = answer.last_tick_id, None
        elif self.pending is None or self.pending.from_id != answer.from_id:
            return NOTHING  # the stream was faster
        self.pending = None
        new = unseen(answer.ticks, self.last_tick_id)
        folded = self._fold(new)
        if isinstance(answer, Refill):
            self.counts.refilled += len(new)
            self._skip_holes(answer)
        folded = folded.merge(self._fold_waiting())
        if self._outdated and self.pending is None and self.last_tick_id is not None:
            self.pending = FetchRequest(self.symbol, from_id=self.last_tick_id + 1)
        self._outdated = False
        return folded

    def advance(self, proven_ms: int) -> Folded:
        """Close what has ended by `proven_ms`, the exchange's time up to which all has come."""
        forming = self.forming
        if not self.is_complete or forming is None:
            return NOTHING
        if self.missing_trades is not None and self.missing_trades.open_ms == forming.open_ms:
            if proven_ms < self.missing_trades.until_ms:
                self._request_missing_trades(self.missing_trades, proven_ms)
                return NOTHING
            logger.error("trades.missing", symbol=self.symbol, candle=forming.open_ms)
        return self._close(proven_ms) if forming.end_ms <= proven_ms else NOTHING

    def state(self) -> SymbolState | None:
        """State that a successor goes on from; None before the first tick."""
        base = self.forming
        if self.candles is None or base is None or self.last_tick_id is None:
            return None
        return SymbolState(
            self.symbol, self.last_tick_id, base.close, self.last_time_ms,
            self.intervals, base, self.candles.parts, self.counts,
        )  # fmt: skip

    def _restart(self) -> None:
        self.candles = self.last_tick_id = self.missing_trades = None
        self.pending = FetchRequest(self.symbol)

    def _keep_waiting(self, ticks: list[Tick]) -> Folded:
        """Keep ticks waiting; where they bring what is pending, REST's answer is not needed."""
        self.waiting += ticks
        if len(self.waiting) > MAX_WAITING_TICKS:
            self.waiting = []
            self._outdated = True  # the answer that is under way cannot be the last word
        missed = self.pending.until_id if self.pending else None
        if missed is not None and self.last_tick_id is not None and not self._outdated:
            ids = {tick.tick_id for tick in self.waiting if tick.tick_id <= missed}
            if len(ids) >= missed - self.last_tick_id:
                self.pending = None
                return self._fold_waiting()
        return NOTHING

    def _ids_were_reset(self, ticks: Sequence[Tick]) -> bool:
        """An old id at a newer time: the exchange counts from another beginning.

        So it does after a testnet reset. A mere double bears the time that it had.
        """
        last_id, last_ms = self.last_tick_id or 0, self.last_time_ms
        newer = [one for one in ticks if one.tick_id <= last_id and one.time_ms > last_ms]
        # The last tick is not the newest where it was dated back.
        had = {one.tick_id: one.time_ms for one in self.recent} if newer else {}
        reset = any(had.get(one.tick_id) != one.time_ms for one in newer)
        if reset:
            logger.warning("ticks.ids_reset", symbol=self.symbol, last_id=last_id)
        return reset

    def _fold_waiting(self) -> Folded:
        """Fold the part of `waiting` that is in sequence; request what lies before the rest."""
        waiting = unseen(self.waiting, self.last_tick_id)
        ready = run_length(waiting, self.last_tick_id)
        self.waiting = waiting[ready:]
        folded = self._fold(waiting[:ready])
        if self.waiting and self.last_tick_id is not None:
            self.pending = FetchRequest(
                self.symbol, self.last_tick_id + 1, until_id=self.waiting[0].tick_id - 1
            )
        return folded

    def _fold(self, ticks: list[Tick]) -> Folded:
        if not ticks or self.candles is None:
            return NOTHING
        closed = self.candles.fold(ticks)
        self.last_tick_id = ticks[-1].tick_id
        self.last_time_ms = max(self.last_time_ms, ticks[-1].time_ms)
        self.recent.append(ticks)
        folded = Folded(closed, ticks, self._late(self.candles))
        if self.missing_trades is None:
            return folded
        return folded.merge(self._check_missing_trades(self.missing_trades))

    def _late(self, candles: SymbolCandles) -> list[Tick]:
        late, candles.late = candles.late, []
        if late:
            logger.warning(
                "ticks.late", symbol=self.symbol, count=len(late), from_id=late[0].tick_id
            )
            self.counts.late += len(late)
        return late

    def _check_missing_trades(self, missing: MissingTrades) -> Folded:
        """Close the candle that waited once it has all trades, or forget that it waited."""
        forming = self.forming
        if forming is None or forming.open_ms != missing.open_ms:
            self.missing_trades = None
        elif forming.trades >= missing.trades:
            return self._close(forming.end_ms) if forming.trades == missing.trades else NOTHING
        return NOTHING

    def _request_missing_trades(self, missing: MissingTrades, now_ms: int) -> None:
        if now_ms >= missing.ask_ms and self.last_tick_id is not None:
            missing.ask_ms = now_ms + REFETCH_EVERY_MS
            self.pending = FetchRequest(self.symbol, from_id=self.last_tick_id + 1)

    def _close(self, until_ms: int) -> Folded:
        assert self.candles is not None  # noqa: S101  # there is a forming one
        self.missing_trades = None
        return Folded(self.candles.advance(until_ms))

    def _skip_holes(self, answer: Refill) -> None:
        """Go on behind ids that the exchange doesn't have, or doesn't give us."""
        if self.last_tick_id is None or answer.through_id <= self.last_tick_id:
            return
        hole = answer.through_id - self.last_tick_id
        logger.warning(
            "ticks.hole_skipped", symbol=self.symbol, confirmed=not answer.given_up,
            from_id=self.last_tick_id + 1, until_id=answer.through_id,
        )  # fmt: skip
        if answer.given_up:
            self.counts.given_up += hole
        else:
            self.counts.holes += hole
        self.last_tick_id = answer.through_id
