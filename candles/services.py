"""Closed candles written down."""

from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction

from candles.events import candle_closed
from candles.intervals import INTERVALS_MS
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV
from candles.store import ClosedCandle
from market.models import Symbol
from market.sql import ROWS_A_STATEMENT, Insert, Row
from market.times import to_ms, to_time

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
    closed: Sequence[ClosedCandle], symbols: Mapping[str, Symbol] | None = None
) -> list[Candle]:
    """Write down candles that closed together and tell of them; return the new ones.

    A candle that stands already is left as it is: writing it twice is writing it once.
    `symbols` are those that the caller knows by name; others are looked up.
    """
    known = dict(symbols or {})
    unknown = {c.symbol for c in closed} - known.keys()
    if unknown:
        known |= Symbol.objects.in_bulk(unknown, field_name="name")
    rows = [
        _row(known[c.symbol], c.interval, c.candle, Verdict.UNVERIFIED)
        for c in closed
        if c.symbol in known  # else its row was deleted, and with it what we knew of it
    ]
    batches = (rows[n : n + ROWS_A_STATEMENT] for n in range(0, len(rows), ROWS_A_STATEMENT))
    return [new for batch in batches for new in _insert(batch)]


def _insert(rows: Sequence[Candle]) -> list[Candle]:
    """One statement, which is a transaction of its own."""
    new = _keep_new(rows, INSERT.run(rows))
    candle_closed.announce(new)
    return new


def _keep_new(rows: Sequence[Candle], written: Sequence[Row]) -> list[Candle]:
    """Those of `rows` that were written, with their keys, which come back in their order."""
    if len(written) == len(rows):
        for row, (pk,) in zip(rows, written, strict=True):
            row.pk = pk
        return list(rows)
    stored = Candle.objects.filter(pk__in=[pk for (pk,) in written]).select_related("symbol")
    return list(stored.order_by("pk"))


@transaction.atomic
def record_history(symbol: str, interval: str, candles: Iterable[OHLCV]) -> None:
    """Write down the exchange's own klines; nobody trades on them, so nobody is told."""
    row = Symbol.objects.get(name=symbol)
    Candle.objects.bulk_create(
        (_row(row, interval, candle, Verdict.EXACT) for candle in candles),
        batch_size=ROWS_A_STATEMENT,
        ignore_conflicts=True,
    )


def stored_until(symbol: str, intervals: Sequence[str]) -> dict[str, int]:
    """Per interval the end of the newest stored candle, in ms; without those that have none."""
    ends: dict[str, int] = {}
    for interval in intervals:
        newest = Candle.objects.filter(symbol__name=symbol, interval=interval)
        open_time = newest.order_by("-open_time").values_list("open_time", flat=True).first()
        if open_time is not None:
            ends[interval] = to_ms(open_time) + INTERVALS_MS[interval]
    return ends
