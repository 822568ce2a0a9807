"""Ticks that came after their candles had closed: one new revision of each candle they touch."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from candles.comparison import FIELDS
from candles.intervals import INTERVALS_MS, floor_ms
from candles.models import Candle, CandleRevision, Verdict
from candles.ohlcv import with_ticks
from candles.services.revising import ohlcv_of, revise
from foundation.times import to_ms, to_time
from market.ticks import Tick

MAX_CANDLES = 100  # looked at in one transaction, so that others get their turn
MAX_FLAT = 1_000  # empty candles in a row that follow one another's close
PRICES = ("open", "high", "low", "close")
UNVERIFIED: dict[str, Any] = {
    "verdict": Verdict.UNVERIFIED,
    "differed": {},
    "differed_since": None,
}


def add_late_ticks(
    symbol_id: int, intervals: Iterable[str], ticks: Sequence[Tick], now: datetime
) -> None:
    """Fold ticks, in the order of their ids, that came after their candles had closed.

    A candle that has them already stays as it is, so doing it twice is doing it once. One that
    isn't stored has nothing to revise: it comes from the exchange's klines. One whose numbers
    are the exchange's own may have them: it is not added to, its kline is asked for again.

    However many ticks there are, each candle becomes one new revision, in short transactions.
    """
    for interval in intervals:
        series = LateSeries(symbol_id, interval, ticks, now)
        while series.from_ms is not None:
            series.revise_some()


class LateSeries:
    """Late ticks of one series, by the candles that they belong to, oldest first.

    Empty candles that follow a revised one take its close: `_close` carries it to them. The next
    candle that is to be looked at opens at `from_ms` or later; None where nothing is left to do.
    """

    def __init__(self, symbol_id: int, interval: str, ticks: Sequence[Tick], now: datetime) -> None:
        self.rows = Candle.objects.series(symbol_id, interval)
        self.now = now
        self._late: dict[int, list[Tick]] = {}
        for tick in ticks:
            open_ms = floor_ms(tick.time_ms, INTERVALS_MS[interval])
            self._late.setdefault(open_ms, []).append(tick)
        self._close: Decimal | None = None
        self._flat = 0  # in a row
        self.from_ms = min(self._late, default=None)

    @transaction.atomic
    def revise_some(self) -> None:
        """Revise what is due of the next candles."""
        rows = self.rows.locked().filter(open_time__gte=to_time(self.from_ms or 0))
        open_ms = None
        for candle in rows.order_by("open_time")[:MAX_CANDLES]:
            open_ms = to_ms(candle.open_time)
            self._pass(candle, self._late.pop(open_ms, []))
            if self._close is None and open_ms + 1 < min(self._late, default=open_ms):
                break
        self._go_on_behind(open_ms)

    def _go_on_behind(self, open_ms: int | None) -> None:
        """Set `from_ms` once all up to the candle at `open_ms` is done; None: there is none."""
        self._late = {at: ticks for at, ticks in self._late.items() if at > (open_ms or at)}
        if open_ms is not None and self._close is not None:
            self.from_ms = open_ms + 1
        else:
            self.from_ms = min(self._late, default=None)

    def _pass(self, candle: Candle, late: Sequence[Tick]) -> None:
        """Revise one candle where it has late ticks, or is empty behind a close that moved."""
        if late:
            self._close, self._flat = self._with_late(candle, late), 0
        elif candle.trades != 0 or self._flat >= MAX_FLAT:
            self._close = None
        elif self._close is not None:
            self._flat += 1
            if candle.close != self._close:
                prices = dict.fromkeys(PRICES, self._close)
                revise(candle, prices, CandleRevision.Cause.LATE_TICK, self.now, **UNVERIFIED)

    def _with_late(self, candle: Candle, late: Sequence[Tick]) -> Decimal | None:
        """Fold its late ticks into a candle; the close that empty ones behind it have by that."""
        if candle.trades is None:
            return None
        if _is_from_kline(candle):
            Candle.objects.filter(pk=candle.pk).update(verdict=Verdict.UNVERIFIED)
            return None
        had = candle.last_tick_id or -1
        if new := [tick for tick in late if tick.tick_id > had]:
            folded = with_ticks(ohlcv_of(candle), new)
            values = {name: getattr(folded, name) for name in FIELDS}
            ids = {"first_tick_id": folded.first_tick_id, "last_tick_id": folded.last_tick_id}
            cause = CandleRevision.Cause.LATE_TICK
            revise(candle, values, cause, self.now, **ids, **UNVERIFIED)
        return candle.close


def _is_from_kline(candle: Candle) -> bool:
    """True where its numbers, or those of its beginning, were a kline's, not folded by us."""
    begun_elsewhere = bool(candle.trades) and candle.first_tick_id is None
    return candle.is_adopted or begun_elsewhere
