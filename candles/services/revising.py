"""Closed candles that turn out different: a new, numbered revision of each."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog

from candles.comparison import FIELDS, Values, number_text
from candles.events import candle_revised
from candles.intervals import INTERVALS_MS
from candles.models import Candle, CandleRevision
from candles.ohlcv import OHLCV
from foundation.times import to_ms

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
