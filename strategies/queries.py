"""Statements between a closing candle and its order, written out (`foundation.sql`)."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from foundation.sql import Insert, fetch, placeholders, time_value
from foundation.times import to_time
from strategies.models import Key, Signal, Strategy, StrategyState

STRATEGY_FIELDS = ("id", "name", "enabled", "interval", "sma_period", "ema_period", "stop_loss")
ENABLED = f"""
SELECT {", ".join(f"s.{name}" for name in STRATEGY_FIELDS)}, n.symbol_id FROM strategies_strategy s
LEFT JOIN strategies_strategy_symbols n ON n.strategy_id = s.id
WHERE s.enabled ORDER BY s.id
"""  # noqa: S608
CLOSES = """
SELECT symbol_id, close, revision FROM candles_candle
WHERE symbol_id IN ({ids}) AND interval = %s AND open_time BETWEEN %s AND %s
ORDER BY symbol_id, open_time
"""
# An offset moves on from where it is expected to be, or not at all: compare and set.
ADVANCE_OFFSETS = Insert(
    StrategyState,
    "ON CONFLICT (strategy_id, symbol_id, interval) DO UPDATE SET open_time = EXCLUDED.open_time,"
    " sma = EXCLUDED.sma, ema = EXCLUDED.ema, note = EXCLUDED.note"
    " WHERE strategies_strategystate.open_time = %s RETURNING strategy_id, symbol_id, interval",
)
INSERT_OFFSETS = Insert(StrategyState, "ON CONFLICT (strategy_id, symbol_id, interval) DO NOTHING")
INSERT_SIGNALS = Insert(Signal, "RETURNING id")


class StoredCloses(NamedTuple):
    """Closes of one series, oldest first, and by index the revisions that are not the first."""

    closes: list[Decimal]
    revisions: dict[int, int]


class Offset(NamedTuple):
    """A row of StrategyState. There are hundreds when a minute ends; a model costs ten times."""

    strategy_id: int
    symbol_id: int
    interval: str
    open_time: datetime
    sma: Decimal | None
    ema: Decimal | None
    note: str


def enabled_strategies() -> Iterator[tuple[Strategy, int | None]]:
    """Enabled strategies, oldest first, once for each symbol that they name, or with None."""
    for *values, stop_loss, symbol_id in fetch(ENABLED):
        exact = [*values, Decimal(stop_loss)]
        yield Strategy.from_db(connection.alias, STRATEGY_FIELDS, exact), symbol_id


def read_closes(
    symbol_ids: Collection[int], interval: str, start_ms: int, end_ms: int
) -> dict[int, StoredCloses]:
    """The closes of the candles that stand within the span, by symbol."""
    span = time_value(to_time(start_ms)), time_value(to_time(end_ms))
    found: defaultdict[int, StoredCloses] = defaultdict(lambda: StoredCloses([], {}))
    sql = CLOSES.format(ids=placeholders(len(symbol_ids)))
    for symbol_id, close, revision in fetch(sql, *symbol_ids, interval, *span):
        stored = found[symbol_id]
        if revision > 1:
            stored.revisions[len(stored.closes)] = revision
        stored.closes.append(Decimal(close))
    return found


def insert_offsets(offsets: Sequence[Offset]) -> None:
    """Write offsets down where there is none yet."""
    INSERT_OFFSETS.run(offsets)


def advance_offsets(offsets: Sequence[Offset], from_ms: int) -> set[Key]:
    """Move offsets on that stand at `from_ms`, or nowhere yet; the keys of those that moved.

    A row that moved is ours until the transaction ends.
    """
    moved = ADVANCE_OFFSETS.run(offsets, time_value(to_time(from_ms)))
    return {(strategy_id, symbol_id, interval) for strategy_id, symbol_id, interval in moved}


def insert_signals(signals: Sequence[Signal]) -> None:
    for signal, (pk,) in zip(signals, INSERT_SIGNALS.run(signals), strict=True):
        signal.pk = pk
