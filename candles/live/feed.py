"""One symbol's ticks as they arrive, brought into sequence and folded into candles.

The id of the last folded tick is a symbol's offset in the stream. Starting, restarting and a
jump in the ids are one path: fetch from that offset on, and let what arrives meanwhile wait.
"""

from collections.abc import Iterable, Sequence

import structlog

from candles.live.bootstrap import Bootstrap
from candles.live.evidence import POLL_EVERY_MS, CountedKlines, Evidence, MissingTrades
from candles.live.folded import NOTHING, Folded
from candles.live.missing import Fetched, FetchRequest, Refill
from candles.live.recent import RecentTicks
from candles.live.sequence import in_sequence, run_length, unseen
from candles.live.state import Counts, SymbolState
from candles.ohlcv import OHLCV
from candles.rollup import SymbolCandles
from market.ticks import Tick
from market.wire.frames import KlineEvent

logger = structlog.get_logger(__name__)

GRACE_MS = 2_500  # a tick has been seen this long under way; short intervals wait half of one
MAX_WAITING_TICKS = 50_000  # of one symbol; REST fetches what is beyond
# A longer gap is not refilled tick by tick: its candles come from the klines.
MAX_REFILL_MS = 15 * 60 * 1000
MAX_UNPROVEN_MS = 15 * 60 * 1000  # nor is a longer time proven candle by candle


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
        self.proof: FetchRequest | None = None  # the same, and ticks in sequence don't wait for it
        self.heard = self.deaf = False  # see candles.live.deaf
        self.unproven = False  # `waiting` lies beyond an empty interval that may not exist
        self._last_trade_id: int | None = None
        self.evidence = Evidence()
        self.waiting: list[Tick] = []  # arrived ahead of what is pending
        self._outdated = False  # the line was cut after `pending` was asked for
        self.recent = RecentTicks(symbol, recent)
        if state is not None and state.intervals == self.intervals:
            self.candles = SymbolCandles(
                intervals, state.base, state.parts, state.last_time_ms, self.evidence.klines
            )
            self.last_tick_id, self.last_time_ms = state.last_tick_id, state.last_time_ms

    @property
    def is_complete(self) -> bool:
        """Nothing is known to be missing: the exchange's word may close candles."""
        return self.live and self.pending is None and self.candles is not None

    @property
    def is_waiting(self) -> bool:
        """Ticks that came wait for an answer of REST."""
        return self.pending is not None or self.unproven

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
            self.pending = self._request_newest(self.last_tick_id)
        return NOTHING

    def on_silent(self) -> None:
        """The connection is gone; what still waits will be fetched with the rest."""
        self.live = self.unproven = False
        self.waiting.clear()

    def receive(self, ticks: list[Tick]) -> Folded:
        """Fold ticks that are in sequence, skip those that were had, keep the rest waiting.

        Where ids jump, `pending` says afterwards what to fetch.
        """
        self.heard = True
        if self.candles is None or self.is_waiting:
            return self._keep_waiting(ticks)
        if self.last_tick_id is not None and not in_sequence(ticks, self.last_tick_id):
            self.waiting = ticks
            if self._ids_were_reset(ticks):
                self._restart()
                return NOTHING
            return self._fold_waiting()
        return self._fold(ticks)

    def receive_klines(self, klines: Iterable[KlineEvent]) -> Folded:
        """Take events of the base interval, in the order in which they came."""
        folded = NOTHING
        for kline in klines:
            if (step := self.receive_kline(kline)) is not NOTHING:
                folded = folded.merge(step)
        return folded

    def receive_kline(self, kline: KlineEvent) -> Folded:
        """Take the exchange's own base candle as it stands, and its last word on it.

        That there is one proves an empty interval once ticks join across it. With as many trades
        as its last word counts our open candle is complete, and closes. With fewer, ticks are
        missing although no id has jumped yet: the candle waits for them. About any other
        interval an event says nothing.
        """
        self.heard = True
        evidence = self.evidence
        evidence.note_event(kline.open_ms, self.forming)
        if kline.last_trade_id > (self._last_trade_id or kline.last_trade_id):
            evidence.doubted_ms = evidence.doubted_ms or kline.event_ms
        folded = self._fold_waiting() if self.unproven else NOTHING
        if not kline.closed:
            return folded
        closed = self._compare(kline)
        return closed if folded is NOTHING else folded.merge(closed)

    def _compare(self, kline: KlineEvent) -> Folded:
        forming = self.forming
        if not (self.is_complete and forming and forming.open_ms == kline.open_ms):
            return NOTHING
        return self._close_counted(kline.open_ms, kline.trades)

    def _close_counted(self, open_ms: int, trades: int) -> Folded:
        """Close the open candle where it has as many trades as the exchange counts."""
        forming = self.forming
        if forming is None or forming.open_ms != open_ms:
            return NOTHING
        if forming.trades == trades:
            return self._close(forming.end_ms)
        self.evidence.miss_trades(open_ms, trades)
        return NOTHING

    def receive_fetched(self, answer: Fetched) -> Folded:
        """Fold fetched ticks, then those that waited for them."""
        if isinstance(answer, Bootstrap):
            self._begin(answer)
        elif not self._is_asked_for(answer):
            return NOTHING  # the stream was faster
        if self._is_out_of_reach(answer):
            self._restart()
            return NOTHING
        had_waiting = self.waiting if self.unproven else []
        new = unseen(answer.ticks, self.last_tick_id)
        klines = answer.klines if isinstance(answer, Refill) else []
        if self.forming is not None:
            self.evidence.note_answer(klines, self.forming)
        folded = self._fold(new)
        if isinstance(answer, Refill):
            had = {tick.tick_id for tick in had_waiting}
            self.counts.refilled += sum(tick.tick_id not in had for tick in new)
            self._skip_holes(answer)
        folded = folded.merge(self._fold_waiting()).merge(self._close_proven(klines))
        self.evidence.pace.answered(anything_new=bool(new or folded.closed))
        if self._outdated and self.pending is None and self.last_tick_id is not None:
            self.pending = self._request_newest(self.last_tick_id)
        self._outdated = False
        return folded

    def _begin(self, answer: Bootstrap) -> None:
        known = self.evidence.klines
        self.candles = SymbolCandles(self.intervals, answer.base, answer.parts, klines=known)
        self.last_tick_id, self.pending = answer.last_tick_id, None

    def _is_asked_for(self, answer: Refill) -> bool:
        """Take note of an answer; False where nothing of that kind is asked for any more."""
        asked = False
        if self.pending is not None and self.pending.from_id == answer.from_id:
            self.pending, asked = None, True
        if self.proof is not None and self.proof.from_id == answer.from_id:
            self.proof, asked = None, True
        return asked and self.candles is not None

    def _is_out_of_reach(self, answer: Fetched) -> bool:
        """True where so long a time lies behind the open candle that klines have to stand for it.

        Trading was suspended, or neither stream nor REST could be had.
        """
        if isinstance(answer, Bootstrap) or not answer.klines or self.forming is None:
            return False
        return answer.klines[-1][0] - self.forming.end_ms > MAX_UNPROVEN_MS

    def _close_proven(self, klines: CountedKlines) -> Folded:
        """Close what REST counts as many trades of as we have, and skip what it has no kline of."""
        if self.candles is None or not klines:
            return NOTHING
        counted, folded = dict(klines[:-1]), NOTHING
        while (forming := self.forming) is not None and self.pending is None:
            folded = folded.merge(Folded(self.candles.skip_absent()))
            open_ms = self.forming.open_ms if self.forming else 0
            if open_ms in counted:
                folded = folded.merge(self._close_counted(open_ms, counted[open_ms]))
            if self.forming is forming:
                break
        self.evidence.note_asked(counted)
        return folded

    def advance(self, now_ms: int, pause_ms: int = POLL_EVERY_MS, grace_ms: int = 0) -> Folded:
        """Ask REST for proof where the stream gives none, by the exchange's time.

        A candle that has waited for trades for too long closes without them.
        """
        forming, last_id, evidence = self.forming, self.last_tick_id, self.evidence
        unbegun = self.candles is None and self.pending is None and (self.live or self.deaf)
        if unbegun and evidence.pace.is_due(now_ms):
            evidence.pace.answered(anything_new=False)
            evidence.pace.asked(now_ms, pause_ms)
            self.pending = FetchRequest(self.symbol)
        if forming is None or last_id is None or self.pending is not None:
            return NOTHING
        if evidence.is_given_up(forming, now_ms):
            logger.error("trades.missing", symbol=self.symbol, candle=forming.open_ms)
            return self._close(forming.end_ms)
        if self.proof is not None or not evidence.pace.is_due(now_ms):
            return NOTHING
        if self.deaf or evidence.is_lacking(forming, now_ms - grace_ms, unproven=self.unproven):
            evidence.pace.asked(now_ms, pause_ms)
            self.proof = self._request_newest(last_id, in_background=not self.unproven)
        return NOTHING

    def _request_newest(self, last_id: int, *, in_background: bool = False) -> FetchRequest:
        """All ticks behind `last_id`, and the klines since the open candle."""
        since_ms = self.forming.open_ms if self.forming else None
        return FetchRequest(
            self.symbol, last_id + 1, since_ms=since_ms, in_background=in_background
        )

    def state(self) -> SymbolState | None:
        """State that a successor goes on from; None before the first tick."""
        base = self.forming
        if self.candles is None or base is None or self.last_tick_id is None:
            return None
        return SymbolState(
            self.symbol, self.last_tick_id, base.close, self.last_time_ms,
            self.intervals, base, self.candles.parts, self.counts,
        )  # fmt: skip

    def begin_afresh(self) -> None:
        """Forget all, and ask for the past anew in a while: something here cannot be folded."""
        self._restart()
        self.pending = None
        self.waiting = []

    def _restart(self) -> None:
        self.candles = self.last_tick_id = self.proof = None
        self._last_trade_id = None
        self.unproven = False
        self.evidence.clear()
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
        if self.waiting and self.last_tick_id is not None and not self.unproven:
            self.pending = FetchRequest(
                self.symbol, self.last_tick_id + 1, until_id=self.waiting[0].tick_id - 1
            )
        return folded

    def _fold(self, ticks: list[Tick]) -> Folded:
        if not ticks or self.candles is None:
            return NOTHING
        closed = self.candles.fold(ticks)
        stopped_at = self.candles.builder.unproven_at
        self.unproven = stopped_at is not None
        if stopped_at is not None:
            self.waiting = ticks[stopped_at:] + self.waiting
            ticks = ticks[:stopped_at]
        if not ticks:
            return Folded(closed)
        self.evidence.doubted_ms = 0
        self._last_trade_id = ticks[-1].last_trade_id
        self.last_tick_id = ticks[-1].tick_id
        self.last_time_ms = max(self.last_time_ms, ticks[-1].time_ms)
        self.recent.append(ticks)
        folded = Folded(closed, ticks, self._late(self.candles))
        if self.evidence.missing is None:
            return folded
        return folded.merge(self._check_missing_trades(self.evidence.missing))

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
            self.evidence.missing = None
        elif forming.trades >= missing.trades:
            return self._close(forming.end_ms) if forming.trades == missing.trades else NOTHING
        return NOTHING

    def _close(self, until_ms: int) -> Folded:
        assert self.candles is not None  # noqa: S101  # there is a forming one
        self.evidence.missing = None
        return Folded(self.candles.advance(until_ms))

    def _skip_holes(self, answer: Refill) -> None:
        """Go on behind ids that the exchange doesn't have, or doesn't give us."""
        if self.unproven or self.last_tick_id is None or answer.through_id <= self.last_tick_id:
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
