"""One symbol's ticks as they arrive, brought into sequence and folded into candles.

The id of the last folded tick is a symbol's offset in the stream. Starting, restarting and a
jump in the ids are one path: fetch from that offset on, and let what arrives meanwhile wait.
"""

from collections.abc import Iterable, Sequence

import structlog

from candles.live.bootstrap import Bootstrap
from candles.live.evidence import POLL_EVERY_MS
from candles.live.folded import NOTHING, Folded
from candles.live.missing import Fetched, FetchRequest, Refill
from candles.live.proven import ProvenCandles
from candles.live.recent import RecentTicks
from candles.live.sequence import in_sequence, run_length, unseen
from candles.live.state import Counts, SymbolState
from candles.ohlcv import OHLCV
from market.ticks import Tick
from market.wire.frames import KlineEvent

logger = structlog.get_logger(__name__)

GRACE_MS = 2_500  # a tick has been seen this long under way; short intervals wait half of one
MAX_WAITING_TICKS = 50_000  # of one symbol; REST fetches what is beyond
# A longer gap is not refilled tick by tick: its candles come from the klines.
MAX_REFILL_MS = 15 * 60 * 1000


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
        same = state if state and state.intervals == self.intervals else None
        self.candles = ProvenCandles(symbol, intervals, same)
        self.last_tick_id = same.last_tick_id if same else None
        self.last_time_ms = same.last_time_ms if same else 0
        self.counts = state.counts if state else Counts()
        self.live = False  # the exchange sends us its ticks
        self.pending: FetchRequest | None = None  # asked for, not yet here
        self.proof: FetchRequest | None = None  # the same, and ticks in sequence don't wait for it
        self.heard = self.deaf = False  # see candles.live.deaf
        self.unproven = False  # `waiting` lies beyond an empty interval that may not exist
        self.waiting: list[Tick] = []  # arrived ahead of what is pending
        self._outdated = False  # the line was cut after `pending` was asked for
        self.recent = RecentTicks(symbol, recent)

    @property
    def is_complete(self) -> bool:
        """Nothing is known to be missing: the exchange's word may close candles."""
        return self.live and self.pending is None and self.candles.have_begun

    @property
    def is_waiting(self) -> bool:
        """Ticks that came wait for an answer of REST."""
        return self.pending is not None or self.unproven

    @property
    def forming(self) -> OHLCV | None:
        """The open base candle; None before the first tick or price."""
        return self.candles.forming

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
        if not self.candles.have_begun or self.is_waiting:
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
        self.candles.note_event(kline)
        folded = self._fold_waiting() if self.unproven else NOTHING
        if not (kline.closed and self.is_complete):
            return folded
        closed = self.candles.close_counted(kline.open_ms, kline.trades)
        return closed if folded is NOTHING else folded.merge(closed)

    def receive_fetched(self, answer: Fetched) -> Folded:
        """Fold fetched ticks, then those that waited for them."""
        if isinstance(answer, Bootstrap):
            self._begin(answer)
        elif not self._is_asked_for(answer):
            return NOTHING  # the stream was faster
        candles, evidence = self.candles, self.candles.evidence
        klines = answer.klines if isinstance(answer, Refill) else []
        if candles.is_out_of_reach(klines):
            self._restart()
            return NOTHING
        had_waiting = self.waiting if self.unproven else []
        new = unseen(answer.ticks, self.last_tick_id)
        candles.note_answer(klines)
        folded = self._fold(new)
        if isinstance(answer, Refill):
            had = {tick.tick_id for tick in had_waiting}
            self.counts.refilled += sum(tick.tick_id not in had for tick in new)
            self._skip_holes(answer)
        folded = folded.merge(self._fold_waiting())
        if self.pending is None:
            folded = folded.merge(candles.close_proven(klines))
        evidence.note_asked(dict(klines[:-1]))
        evidence.pace.answered(anything_new=bool(new or folded.closed))
        if self._outdated and self.pending is None and self.last_tick_id is not None:
            self.pending = self._request_newest(self.last_tick_id)
        self._outdated = False
        return folded

    def _begin(self, answer: Bootstrap) -> None:
        self.candles.begin(answer.base, answer.parts)
        self.last_tick_id, self.pending = answer.last_tick_id, None

    def _is_asked_for(self, answer: Refill) -> bool:
        """Take note of an answer; False where nothing of that kind is asked for any more."""
        asked = False
        if self.pending is not None and self.pending.from_id == answer.from_id:
            self.pending, asked = None, True
        if self.proof is not None and self.proof.from_id == answer.from_id:
            self.proof, asked = None, True
        return asked and self.candles.have_begun

    def advance(self, now_ms: int, pause_ms: int = POLL_EVERY_MS, grace_ms: int = 0) -> Folded:
        """Ask REST for proof where the stream gives none, by the exchange's time.

        A candle that has waited for trades for too long closes without them.
        """
        forming, last_id, evidence = self.forming, self.last_tick_id, self.candles.evidence
        unbegun = not self.candles.have_begun and self.pending is None
        if unbegun and (self.live or self.deaf) and evidence.pace.is_due(now_ms):
            evidence.pace.answered(anything_new=False)
            evidence.pace.asked(now_ms, pause_ms)
            self.pending = FetchRequest(self.symbol)
        if forming is None or last_id is None or self.pending is not None:
            return NOTHING
        if (closed := self.candles.close_given_up(now_ms)) is not None:
            return closed
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
        if base is None or self.last_tick_id is None:
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
        self.candles.clear()
        self.last_tick_id = self.proof = None
        self.unproven = False
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
        if not ticks or not self.candles.have_begun:
            return NOTHING
        folded = self.candles.fold(ticks)
        done = folded.ticks
        self.unproven = len(done) < len(ticks)
        if self.unproven:
            self.waiting = ticks[len(done) :] + self.waiting
        if not done:
            return folded
        self.last_tick_id = done[-1].tick_id
        self.last_time_ms = max(self.last_time_ms, done[-1].time_ms)
        self.recent.append(done)
        if folded.late:
            self._note_late(folded.late)
        return folded

    def _note_late(self, late: Sequence[Tick]) -> None:
        logger.warning("ticks.late", symbol=self.symbol, count=len(late), from_id=late[0].tick_id)
        self.counts.late += len(late)

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
