"""What judging reads and writes between a closing candle and its order (`foundation.sql`)."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from foundation.sql import Insert, fetch, placeholders, time_value
from foundation.times import to_time
from strategies.models import Signal, Strategy, StrategyState

STRATEGY = ("id", "name", "enabled", "interval", "sma_period", "ema_period", "stop_loss")
ENABLED = f"""
SELECT {", ".join(f"s.{name}" for name in STRATEGY)}, n.symbol_id FROM strategies_strategy s
LEFT JOIN strategies_strategy_symbols n ON n.strategy_id = s.id
WHERE s.enabled ORDER BY s.id
"""  # noqa: S608
CLOSES = """
SELECT symbol_id, close, revision FROM candles_candle
WHERE symbol_id IN ({ids}) AND interval = %s AND open_time BETWEEN %s AND %s
ORDER BY symbol_id, open_time
"""
# A place moves on from where it is expected to be, or not at all: compare and set.
ADVANCE = Insert(
    StrategyState,
    "ON CONFLICT (strategy_id, symbol_id, interval) DO UPDATE SET open_time = EXCLUDED.open_time,"
    " sma = EXCLUDED.sma, ema = EXCLUDED.ema, note = EXCLUDED.note"
    " WHERE strategies_strategystate.open_time = %s RETURNING strategy_id, symbol_id, interval",
)
BEGIN = Insert(StrategyState, "ON CONFLICT (strategy_id, symbol_id, interval) DO NOTHING")
SIGNALS = Insert(Signal, "RETURNING id")


class Run(NamedTuple):
    """Closes of one series, oldest first, and by place the revisions that are not the first."""

    closes: list[Decimal]
    revisions: dict[int, int]


class Place(NamedTuple):
    """A row of StrategyState. There are hundreds when a minute ends; a model costs ten times."""

    strategy_id: int
    symbol_id: int
    interval: str
    open_time: datetime
    sma: Decimal | None
    ema: Decimal | None
    note: str


def enabled() -> Iterator[tuple[Strategy, int | None]]:
    """Enabled strategies by their age, once for each symbol that they name, or with None."""
    for *values, stop_loss, symbol_id in fetch(ENABLED):
        exact = [*values, Decimal(stop_loss)]
        yield Strategy.from_db(connection.alias, STRATEGY, exact), symbol_id


def closes(
    symbol_ids: Collection[int], interval: str, start_ms: int, end_ms: int
) -> dict[int, Run]:
    """The closes of the candles that stand within the span, by symbol."""
    span = time_value(to_time(start_ms)), time_value(to_time(end_ms))
    found: defaultdict[int, Run] = defaultdict(lambda: Run([], {}))
    sql = CLOSES.format(ids=placeholders(len(symbol_ids)))
    for symbol_id, close, revision in fetch(sql, *symbol_ids, interval, *span):
        run = found[symbol_id]
        if revision > 1:
            run.revisions[len(run.closes)] = revision
        run.closes.append(Decimal(close))
    return found


def begin(places: Sequence[Place]) -> None:
    """Write down where there is no place yet."""
    BEGIN.run(places)


def advance(places: Sequence[Place], from_ms: int) -> set[tuple[int, int, str]]:
    """Move places on that stand at `from_ms`, or nowhere yet; the keys of those that moved.

    A row that moved is ours until the transaction ends.
    """
    moved = ADVANCE.run(places, time_value(to_time(from_ms)))
    return {(strategy_id, symbol_id, interval) for strategy_id, symbol_id, interval in moved}


def insert_signals(signals: Sequence[Signal]) -> None:
    for signal, (pk,) in zip(signals, SIGNALS.run(signals), strict=True):
        signal.pk = pk
