"""Recording of closed candles: from the stream process to the database."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from django.utils.timezone import now

from candles import services
from candles.intervals import NAMES
from candles.live.bootstrap import Bootstrap
from candles.live.folded import Folded
from candles.live.state import Saved, Unrecorded, UnrecordedCandle
from candles.ohlcv import OHLCV, ClosingTick
from foundation.times import now_ms
from foundation.worker import DatabaseWorker
from market.models import Symbol
from market.ticks import Tick
from market.wire.frames import KlineEvent

logger = structlog.get_logger(__name__)

MAX_HELD = 20_000  # closed candles that neither Redis nor the database has
CONFIRM_EVERY_S = 0.5  # klines are gathered for so long before candles are compared with them
MAX_TRIES = 10  # a candle may close later than the exchange says so


@dataclass
class ClosedBatch:
    """Candles that closed together. `entry` is the newest Redis entry of theirs, once in Redis."""

    closed: list[UnrecordedCandle]
    entry: str = ""
    recorded: bool = False


class Recorder:
    """Hands the database worker what is to be recorded, and knows what of it still waits.

    Closed candles go to the database and, in case it is away or we die, into Redis with the
    offset in the stream that they stand for; they leave Redis once they are recorded.
    """

    def __init__(
        self,
        database: DatabaseWorker,
        unrecorded: Unrecorded,
        symbols: Mapping[str, Symbol],
        intervals: Sequence[str],
    ) -> None:
        self.database = database
        self.symbols = symbols
        self.intervals = intervals
        self._batches: deque[ClosedBatch] = deque()
        self._revising: Counter[str] = Counter()
        self._klines: list[tuple[KlineEvent, int]] = []
        self._next_confirm_s = 0.0
        if unrecorded.closed:
            self._record(ClosedBatch(unrecorded.closed, unrecorded.entry))

    @property
    def revising_symbols(self) -> Iterable[str]:
        """Symbols with late ticks that no candle has yet: their offset must not move on."""
        return self._revising.keys()

    @property
    def unsaved(self) -> list[UnrecordedCandle]:
        """Closed candles that neither Redis nor the database has, oldest first."""
        waiting = (batch for batch in self._batches if not (batch.entry or batch.recorded))
        return [candle for batch in waiting for candle in batch.closed]

    def record(self, folded: Mapping[str, Folded], klines: Iterable[KlineEvent]) -> None:
        """Record what closed, revise what is late, and confirm what the exchange says closed."""
        closed = [
            UnrecordedCandle(symbol, NAMES[candle.interval_ms], candle, _cause(candle, step.ticks))
            for symbol, step in folded.items()
            for candle in step.closed
        ]
        if closed:
            self._record(ClosedBatch(closed))
        for symbol, step in folded.items():
            if step.late:
                self._revise(symbol, step.late)
        self._klines += ((kline, MAX_TRIES) for kline in klines if kline.closed)
        self._confirm()

    def add_history(self, joined: Bootstrap) -> None:
        for interval, candles in joined.history.items():
            self.database.submit(
                partial(services.record_history, joined.symbol, interval, candles, now()),
                otherwise=_set_aside("candles.record_failed"),
            )

    def saved(self, unsaved: Sequence[UnrecordedCandle], answer: Saved) -> None:
        """Redis has `unsaved`, the last of them in the entry that it answered."""
        if not unsaved:
            return
        for batch in self._batches:
            if not (batch.entry or batch.recorded):
                batch.entry = answer.newest

    def pop_recorded(self) -> str:
        """The newest entry in Redis before which all is recorded; empty where nothing is new."""
        entry = ""
        while self._batches and self._batches[0].recorded:
            entry = self._batches.popleft().entry or entry
        if self._batches and self._batches[0].entry == entry:
            return ""  # they were written together, and not all of them is recorded
        return entry

    def _record(self, batch: ClosedBatch) -> None:
        def recorded(_: object) -> None:
            batch.recorded = True

        self._batches.append(batch)
        job = partial(services.record_closed, batch.closed, self.symbols)
        self.database.submit(job, recorded, otherwise=_set_aside("candles.record_failed", recorded))

    def _revise(self, symbol: str, late: list[Tick]) -> None:
        def revised(_: object) -> None:
            self._revising[symbol] -= 1
            if not self._revising[symbol]:
                del self._revising[symbol]

        if symbol not in self.symbols:
            return  # no longer followed
        self._revising[symbol] += 1
        symbol_id = self.symbols[symbol].pk
        self.database.submit(
            lambda: services.add_late_ticks(symbol_id, self.intervals, late, now()),
            revised,
            otherwise=_set_aside("candles.revise_failed", revised),
        )

    def _confirm(self) -> None:
        if not self._klines or time.monotonic() < self._next_confirm_s:
            return
        self._next_confirm_s = time.monotonic() + CONFIRM_EVERY_S
        asked, self._klines = self._klines, []

        def confirmed(missing: list[KlineEvent]) -> None:
            left = {id(kline): tries - 1 for kline, tries in asked}
            again = ((kline, left[id(kline)]) for kline in missing)
            self._klines += ((kline, tries) for kline, tries in again if tries)

        klines = [kline for kline, _ in asked]
        self.database.submit(
            lambda: services.confirm(klines, now()),
            confirmed,
            otherwise=_set_aside("candles.confirm_failed"),
        )


def _set_aside(
    event: str, then: Callable[[object], None] = lambda _: None
) -> Callable[[Exception], None]:
    """Log what can never be done and go on: sweeps ask the exchange for what is missing by that."""

    def set_aside(error: Exception) -> None:
        logger.error(event, error=str(error).strip(), exc_info=error)
        then(None)

    return set_aside


def _cause(candle: OHLCV, ticks: Iterable[Tick]) -> ClosingTick | None:
    """The tick that closed the candle; none where it was closed by proof of silence."""
    times = (tick.time_ms for tick in ticks if tick.time_ms >= candle.end_ms)
    traded_ms = next(times, None)
    return None if traded_ms is None else ClosingTick(traded_ms, now_ms())
