"""Statements of the way to an order, written out (`foundation.sql`, decision 0011)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from foundation.sql import Insert, execute, fetch, for_update, placeholders, time_value
from market.ticks import Side
from orders.core.exits import ExitReason
from orders.core.risk import Limits
from orders.core.status import LIVE
from orders.models import Order, OrderChange

HOUR = timedelta(hours=1)
MAX_BALANCE_AGE = timedelta(minutes=5)  # an older one says nothing any more
Series = tuple[str, int]  # strategy, symbol

OPEN_POSITIONS = """
SELECT id, strategy, symbol_id, quantity, exit_reason FROM orders_position
WHERE status = 'open' AND (strategy, symbol_id) IN (VALUES {pairs}) ORDER BY id
"""
# A halt's word gives way to any other; that of another stands.
DECIDE_EXIT = """
UPDATE orders_position SET exit_reason = %s, exit_decided_at = COALESCE(exit_decided_at, %s)
WHERE status = 'open' AND (exit_reason = '' OR (exit_reason = 'halt' AND %s <> 'halt'))
AND id IN ({ids})
"""
EXISTING = "SELECT client_order_id FROM orders_order WHERE client_order_id IN ({ids})"
LIVE_ORDERS = """
SELECT strategy, symbol_id, side, kind FROM orders_order
WHERE status IN ({live}) AND (strategy, symbol_id) IN (VALUES {pairs})
UNION ALL
SELECT '', symbol_id, '', '' FROM orders_alarm
WHERE kind = 'difference' AND raised_at IS NOT NULL AND settled_at IS NULL
"""
HALT = "SELECT level FROM orders_halt ORDER BY at DESC, id DESC LIMIT 1"
# Held until the transaction ends. Any number will do, if only all take the same.
ENTRIES_LOCK = "SELECT pg_advisory_xact_lock(7463)"
# What limits entries, in one statement: each row is a kind, a name, and up to three values.
HALTED = "SELECT 'halt', level, '', '', '' FROM ({halt}) newest"
ENTRIES = """
SELECT 'entries', strategy, CAST(COUNT(*) AS text), '', '' FROM orders_order
WHERE side = 'BUY' AND NOT status = 'DENIED' AND strategy IN ({strategies}) AND created_at > %s
GROUP BY strategy
"""
DRAWDOWNS = """
SELECT 'drawdown', strategy, CAST(drawdown AS text), quote_asset, '' FROM orders_dayresult
WHERE day = %s AND strategy IN ('', {strategies})
"""
FREE_BALANCES = """
SELECT 'free_balance', asset, CAST(free AS text), '', '' FROM orders_balance
WHERE asset IN ({quotes}) AND read_at > %s
"""
CASH_MOVED = """
SELECT CASE WHEN o.side = 'SELL' THEN 'sold' WHEN o.status IN ({live}) THEN 'buying'
ELSE 'bought' END, b.asset, CAST(o.executed_quote AS text), CAST(o.quantity AS text),
CAST(o.reference_price AS text)
FROM orders_order o JOIN market_symbol m ON m.id = o.symbol_id
JOIN orders_balance b ON b.asset = m.quote_asset
WHERE b.asset IN ({quotes}) AND b.read_at > %s AND (
o.status IN ({live}) OR (o.created_at > %s AND o.created_at > b.read_at))
"""
# Base asset for MAX_POSITION: what is free, and what of it orders bring, have locked or have moved
# since that was read.
ACCOUNT_POSITIONS = """
SELECT 'free', asset, CAST(free AS text), '0' FROM orders_balance
WHERE asset IN ({bases}) AND read_at > %s
UNION ALL
SELECT CASE WHEN o.status IN ({live})
THEN CASE WHEN o.side = 'BUY' THEN 'buying' ELSE 'locked' END
ELSE CASE WHEN o.side = 'BUY' THEN 'bought' ELSE 'sold' END END,
b.asset, CAST(o.quantity AS text), CAST(o.executed_quantity AS text)
FROM orders_order o JOIN market_symbol m ON m.id = o.symbol_id
JOIN orders_balance b ON b.asset = m.base_asset
WHERE b.asset IN ({bases}) AND b.read_at > %s AND (
(o.status IN ({live}) AND (o.side = 'BUY' OR (o.kind = 'STOP_LOSS' AND o.created_at <= b.read_at)))
OR (o.status NOT IN ({live}) AND o.created_at > %s AND o.created_at > b.read_at))
"""
# Of an order: a protective stop of its series has not ended.
HAS_RESTING_STOP = RawSQL(  # noqa: S611  # no value in it is anybody's input
    f"""
EXISTS (SELECT 1 FROM orders_order stop WHERE stop.strategy = orders_order.strategy
AND stop.symbol_id = orders_order.symbol_id AND stop.kind = 'STOP_LOSS'
AND stop.status IN ({placeholders(len(LIVE))}))
""",  # noqa: S608
    LIVE,
    output_field=BooleanField(),
)
ORDERS = Insert(Order, "RETURNING id")
CHANGES = Insert(OrderChange)


class Holding(NamedTuple):
    """An open position: its key, its quantity in base asset, and whether it is to be sold."""

    position_id: int
    quantity: Decimal
    exit_pending: bool


class LiveOrders(NamedTuple):
    """Orders that have not ended, and alarms, as far as they concern some series."""

    sides: defaultdict[Series, set[Side]]  # of market orders
    with_stop: set[Series]  # a protective stop has not ended
    alarmed: set[int]  # symbols that an alarm is raised for


def lock_positions(series: Collection[Series]) -> dict[Series, Holding]:
    """The open positions by strategy and symbol; locked, so that no second sale is written.

    These series and no others: whoever locks more than it needs, in another order than the
    next one, may wait for that one for ever.
    """
    rows = fetch(OPEN_POSITIONS.format(pairs=_pairs(series)) + for_update(), *_flat(series))
    return {
        (strategy, symbol_id): Holding(pk, Decimal(quantity), bool(exit_reason))
        for pk, strategy, symbol_id, quantity, exit_reason in rows
    }


def decide_exits(position_ids: Collection[int], reason: ExitReason, now: datetime) -> None:
    """Write down that these positions are to be sold, and why; those that are open."""
    if position_ids:
        sql = DECIDE_EXIT.format(ids=placeholders(len(position_ids)))
        execute(sql, reason, time_value(now), reason, *position_ids)


def existing(client_order_ids: Collection[str]) -> set[str]:
    """Those of the ids that an order has already."""
    sql = EXISTING.format(ids=placeholders(len(client_order_ids)))
    return {client_order_id for (client_order_id,) in fetch(sql, *client_order_ids)}


def live_orders(series: Collection[Series]) -> LiveOrders:
    """The orders of these series that have not ended, and all raised alarms."""
    found = LiveOrders(defaultdict(set), set(), set())
    sql = LIVE_ORDERS.format(live=placeholders(len(LIVE)), pairs=_pairs(series))
    for strategy, symbol_id, side, kind in fetch(sql, *LIVE, *_flat(series)):
        if kind == Order.Kind.STOP_LOSS:
            found.with_stop.add((strategy, symbol_id))
        elif side:
            found.sides[strategy, symbol_id].add(Side(side))
        else:
            found.alarmed.add(symbol_id)
    return found


def halt_level() -> str | None:
    """Level of the halt that governs; None where none was ever set."""
    rows = fetch(HALT)
    return str(rows[0][0]) if rows else None


def lock_entries() -> None:
    """Wait until no other transaction lets entries pass, and keep others from it until this ends.

    Else each of two that run at once would find room for one more (docs/decisions/0013). On
    SQLite transactions that write come one by one as it is.
    """
    if connection.vendor == "postgresql":
        fetch(ENTRIES_LOCK)


def entry_limits(
    strategies: Collection[str], quotes: Collection[str], limits: Limits, now: datetime
) -> list[tuple[str, ...]]:
    """Rows of the halt, the balances and the limits that are on; of an outdated balance, none."""
    known_since = time_value(now - MAX_BALANCE_AGE)
    parts: list[tuple[str, list[Any]]] = [
        (HALTED, []),
        (FREE_BALANCES, [*quotes, known_since]),
        (CASH_MOVED, [*LIVE, *quotes, known_since, *LIVE, known_since]),
    ]
    if limits.entries_per_hour:
        parts.append((ENTRIES, [*strategies, time_value(now - HOUR)]))
    if limits.daily_loss:
        parts.append((DRAWDOWNS, [now.date().isoformat(), *strategies]))
    sql = " UNION ALL ".join(part for part, _ in parts).format(
        halt=HALT, strategies=placeholders(len(strategies)), quotes=placeholders(len(quotes)),
        live=placeholders(len(LIVE)),
    )  # fmt: skip
    return fetch(sql, *(value for _, values in parts for value in values))


def account_positions(bases: Collection[str], now: datetime) -> list[tuple[str, ...]]:
    """Holdings of base assets, as rows of a kind, an asset, and an order's quantity and executed
    quantity; of an outdated balance, none.
    """
    known_since = time_value(now - MAX_BALANCE_AGE)
    sql = ACCOUNT_POSITIONS.format(bases=placeholders(len(bases)), live=placeholders(len(LIVE)))
    moved = (*LIVE, *bases, known_since, *LIVE, *LIVE, known_since)
    return fetch(sql, *bases, known_since, *moved)


def insert_orders(orders: Sequence[Order]) -> None:
    for order, (pk,) in zip(orders, ORDERS.run(orders), strict=True):
        order.pk = pk


def insert_changes(changes: Sequence[OrderChange]) -> None:
    CHANGES.run(changes)


def _pairs(series: Collection[Series]) -> str:
    return ", ".join(["(%s, %s)"] * len(series))


def _flat(series: Collection[Series]) -> list[str | int]:
    return [value for pair in series for value in pair]
