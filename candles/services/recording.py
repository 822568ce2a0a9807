"""Closed candles recorded in the database, each once."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import structlog
from django.db import connection, transaction

from candles.events import ClosedCandle, candle_closed
from candles.intervals import HOUR_MS, INTERVALS_MS
from candles.live.state import UnrecordedCandle
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV
from foundation.outages import DATABASE_OUTAGES
from foundation.sql import MAX_ROWS_PER_STATEMENT, Insert, Row
from foundation.times import to_ms, to_time
from market.models import Symbol

logger = structlog.get_logger(__name__)

FRESH_MS = HOUR_MS
MAX_PAGE_ROWS = 5_000  # of a long past, committed together
T = TypeVar("T")
INSERT = Insert(Candle, "ON CONFLICT (symbol_id, interval, open_time) DO NOTHING RETURNING id")
VALUES = (
    "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_volume",
    "taker_quote_volume", "first_tick_id", "last_tick_id",
)  # fmt: skip


def _row(symbol: Symbol, interval: str, candle: OHLCV, verdict: Verdict) -> Candle:
    return Candle(
        symbol=symbol,
        interval=interval,
        open_time=to_time(candle.open_ms),
        verdict=verdict,
        **{name: getattr(candle, name) for name in VALUES},
    )


def record_closed(
    closed: Sequence[UnrecordedCandle], symbols: Mapping[str, Symbol] | None = None
) -> list[Candle]:
    """Write down candles that closed together and announce them; return the new ones.

    A candle that stands already is left as it is: writing it twice is writing it once.
    `symbols` are those that the caller knows by name; others are looked up.
    """
    known = dict(symbols or {})
    unknown = {c.symbol for c in closed} - known.keys()
    if unknown:
        known |= Symbol.objects.in_bulk(unknown, field_name="name")
    # One that is not known was deleted, and with it what we knew of it.
    candles = [c for c in closed if c.symbol in known]
    starts = range(0, len(candles), MAX_ROWS_PER_STATEMENT)
    batches = (candles[start : start + MAX_ROWS_PER_STATEMENT] for start in starts)
    return [one.candle for batch in batches for one in _insert_each(batch, known)]


def _insert_each(
    closed: Sequence[UnrecordedCandle], symbols: Mapping[str, Symbol]
) -> Sequence[ClosedCandle]:
    """Write candles down, and set those aside that cannot be: the rest goes on without them.

    Halves find them: nearly always there is none. What is set aside is missing then, and
    `insert_missing` asks the exchange for it.
    """
    try:
        return _insert([_closed(c, symbols) for c in closed])
    except Exception as error:
        if isinstance(error, DATABASE_OUTAGES):
            raise
        if len(closed) == 1:
            logger.error("candle.refused", candle=repr(closed[0])[:500], error=str(error).strip())
            return []
    half = len(closed) // 2
    return [*_insert_each(closed[:half], symbols), *_insert_each(closed[half:], symbols)]


def _closed(one: UnrecordedCandle, symbols: Mapping[str, Symbol]) -> ClosedCandle:
    row = _row(symbols[one.symbol], one.interval, one.candle, Verdict.UNVERIFIED)
    return ClosedCandle(row, one.cause)


def _insert(candles: Sequence[ClosedCandle]) -> Sequence[ClosedCandle]:
    """Write candles down in one statement, a transaction of its own; announce the new ones."""
    new = _only_new(candles, INSERT.run([one.candle for one in candles]))
    candle_closed.announce(new)
    return new


def _only_new(candles: Sequence[ClosedCandle], written: Sequence[Row]) -> Sequence[ClosedCandle]:
    """Those that were written, with their keys, which come back in their order."""
    if len(written) == len(candles):
        for one, (pk,) in zip(candles, written, strict=True):
            one.candle.pk = pk
        return candles
    stored = Candle.objects.filter(pk__in=[pk for (pk,) in written]).select_related("symbol")
    return [ClosedCandle(candle) for candle in stored.order_by("pk")]


def record_history(symbol: str, interval: str, candles: Iterable[OHLCV], now: datetime) -> None:
    """Write down the exchange's own klines; nobody trades on them, so nothing is announced.

    They are exact by that, but for those that closed lately: a kline may lag or err for a moment,
    so it is asked for once more. However many they are: each page is committed on its own, and
    none is kept.
    """
    row = Symbol.objects.get(name=symbol)
    exact_ms = to_ms(now) - FRESH_MS
    for page in batched(candles, MAX_PAGE_ROWS):
        exact = [one for one in page if one.end_ms <= exact_ms]
        fresh = [one for one in page if one.end_ms > exact_ms]
        with transaction.atomic():
            insert_history(row, interval, exact, Verdict.EXACT)
            insert_history(row, interval, fresh, Verdict.UNVERIFIED)


@transaction.atomic
def insert_history(
    symbol: Symbol,
    interval: str,
    candles: Iterable[OHLCV],
    verdict: Verdict,
    unknown: Collection[str] = (),
) -> None:
    """Write down candles in one transaction; those that stand already stay as they are.

    `unknown` names the numbers that say nothing, as an archive lacked them. Years of candles are
    many, so this is SQL: through rows of the model it takes four times as long.
    """
    exact: Any = Candle._meta.get_field("open")
    adapted = connection.ops.adapt_datetimefield_value
    known = [name for name in VALUES if name not in unknown]

    def row(candle: OHLCV) -> list[Any]:
        values = [getattr(candle, name) for name in known]
        numbers = [
            exact.get_db_prep_value(value, connection, prepared=True)
            if isinstance(value, Decimal)
            else value
            for value in values
        ]
        return [symbol.pk, interval, adapted(to_time(candle.open_ms)), verdict.value, *numbers]

    columns = ("symbol_id", "interval", "open_time", "verdict", *known)
    holders = ", ".join(["%s"] * len(columns))
    statement = (
        f"INSERT INTO {Candle._meta.db_table} ({', '.join(columns)}, revision, differed) "  # noqa: S608
        f"VALUES ({holders}, 1, '{{}}') ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, [row(candle) for candle in candles])


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    left = iter(items)
    while page := list(islice(left, size)):
        yield page


def stored_until(symbol: str, intervals: Sequence[str]) -> dict[str, int]:
    """Per interval the end of the newest stored candle, in ms; without those that have none."""
    ends: dict[str, int] = {}
    for interval in intervals:
        last_ms = Candle.objects.series(symbol, interval).last_open_ms()
        if last_ms is not None:
            ends[interval] = last_ms + INTERVALS_MS[interval]
    return ends
