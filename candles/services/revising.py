"""Closed candles that turn out different: a new, numbered revision of each."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from django.db import transaction

from candles.comparison import FIELDS, Values, number_text
from candles.events import candle_revised
from candles.intervals import INTERVALS_MS, floor_ms
from candles.models import Candle, CandleRevision, Verdict
from candles.ohlcv import OHLCV, with_ticks
from foundation.times import to_ms
from market.ticks import Tick

MAX_FLAT = 1_000  # empty candles in a row that follow one another's close
logger = structlog.get_logger(__name__)


def values_of(candle: Candle) -> dict[str, Any]:
    """The nine numbers that a kline has too; None where an archive lacked them."""
    return {name: getattr(candle, name) for name in FIELDS}


def revise(
    candle: Candle, values: Values, cause: CandleRevision.Cause, now: datetime, **fields: Any
) -> None:
    """Make a locked candle its next revision, with new `values` and other `fields`.

    Decisions taken on the one before stand: a signal names the revision that it was made on.
    """
    before = {name: _text(value) for name, value in values_of(candle).items()}
    CandleRevision.objects.create(
        candle=candle, revision=candle.revision, values=before, cause=cause, at=now
    )
    changes = {**values, **fields, "revision": candle.revision + 1}
    for name, value in changes.items():
        setattr(candle, name, value)
    candle.save(update_fields=list(changes))
    candle_revised.announce([candle])
    logger.warning("candle.revised", candle=str(candle), revision=candle.revision, cause=cause)


@transaction.atomic
def add_late_ticks(
    symbol_id: int, intervals: Iterable[str], ticks: Sequence[Tick], now: datetime
) -> None:
    """Fold ticks, in the order of their ids, that came after their candles had closed.

    A candle that has them already stays as it is, so doing it twice is doing it once. One that
    isn't stored has nothing to revise: it comes from the exchange's klines. One whose numbers
    are the exchange's own may have them: it is not added to, its kline is asked for again.
    """
    for interval in intervals:
        by_candle: dict[int, list[Tick]] = {}
        for tick in ticks:
            open_ms = floor_ms(tick.time_ms, INTERVALS_MS[interval])
            by_candle.setdefault(open_ms, []).append(tick)
        for open_ms, late in sorted(by_candle.items()):
            _add_to(symbol_id, interval, open_ms, late, now)


def _add_to(
    symbol_id: int, interval: str, open_ms: int, late: Sequence[Tick], now: datetime
) -> None:
    rows = Candle.objects.series(symbol_id, interval).locked()
    candle = rows.opening_at([open_ms]).filter(trades__isnull=False).first()
    if candle is None:
        return
    if _is_from_kline(candle):
        Candle.objects.filter(pk=candle.pk).update(verdict=Verdict.UNVERIFIED)
        return
    had = candle.last_tick_id or -1
    new = [tick for tick in late if tick.tick_id > had]
    if not new:
        return
    folded = with_ticks(ohlcv_of(candle), new)
    names = (*FIELDS, "first_tick_id", "last_tick_id")
    values = {name: getattr(folded, name) for name in names}
    fields: dict[str, Any] = {"verdict": Verdict.UNVERIFIED, "differed": {}, "differed_since": None}
    revise(candle, values, CandleRevision.Cause.LATE_TICK, now, **fields)
    _update_flat_candles(candle, now)


def _update_flat_candles(revised: Candle, now: datetime) -> None:
    """Give the empty candles that follow the close they are flat at."""
    rows = Candle.objects.series(revised.symbol_id, revised.interval).locked()
    rows = rows.filter(open_time__gt=revised.open_time)
    fields: dict[str, Any] = {"verdict": Verdict.UNVERIFIED, "differed": {}, "differed_since": None}
    for candle in rows.order_by("open_time")[:MAX_FLAT]:
        if candle.trades or candle.close == revised.close:
            return
        values = dict.fromkeys(("open", "high", "low", "close"), revised.close)
        revise(candle, values, CandleRevision.Cause.LATE_TICK, now, **fields)


def _is_from_kline(candle: Candle) -> bool:
    """True where its numbers, or those of its beginning, were a kline's, not folded by us."""
    begun_elsewhere = bool(candle.trades) and candle.first_tick_id is None
    return candle.is_adopted or begun_elsewhere


def ohlcv_of(candle: Candle) -> OHLCV:
    """The numbers of a candle that lacks none."""
    return OHLCV(
        open_ms=to_ms(candle.open_time),
        interval_ms=INTERVALS_MS[candle.interval],
        **values_of(candle),
        first_tick_id=candle.first_tick_id,
        last_tick_id=candle.last_tick_id,
    )


def _text(value: Decimal | int | None) -> str | None:
    return None if value is None else number_text(value)
