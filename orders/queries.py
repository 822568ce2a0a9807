"""What opening an order reads and writes on its way to the exchange (`foundation.sql`)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from foundation.sql import Insert, fetch, for_update, placeholders, time_value
from market.ticks import Side
from orders.core.risk import Limits
from orders.core.status import ENDED, OrderStatus
from orders.models import Order, OrderChange

HOUR = timedelta(hours=1)
BALANCE_COUNTS = timedelta(minutes=5)  # an older one says nothing any more
LIVE = [status for status in OrderStatus if status not in ENDED]
# A stop that waits at the exchange, as far as we know: it has moved nothing.
RESTING = Q(kind=Order.Kind.STOP_LOSS, status=OrderStatus.NEW, executed_quantity=0)
Series = tuple[str, int]  # strategy, symbol

HELD = """
SELECT strategy, symbol_id, quantity FROM orders_position
WHERE status = 'open' AND (strategy, symbol_id) IN (VALUES {pairs}) ORDER BY id
"""
KNOWN = "SELECT client_order_id FROM orders_order WHERE client_order_id IN ({ids})"
UNDER_WAY = """
SELECT strategy, symbol_id, side, kind FROM orders_order
WHERE status IN ({live}) AND (strategy, symbol_id) IN (VALUES {pairs})
UNION ALL
SELECT '', symbol_id, '', '' FROM orders_alarm WHERE raised_at IS NOT NULL AND settled_at IS NULL
"""
HALT = "SELECT level FROM orders_halt ORDER BY at DESC, id DESC LIMIT 1"
# Held until the transaction ends. Any number will do, if only all take the same.
TURN = "SELECT pg_advisory_xact_lock(7463)"
# What limits entries, in one statement: each row is a kind, a name, and up to three values.
STANDING = "SELECT 'halt', level, '', '', '' FROM ({halt}) newest"
ENTRIES = """
SELECT 'entries', strategy, CAST(COUNT(*) AS text), '', '' FROM orders_order
WHERE side = 'BUY' AND NOT status = 'DENIED' AND strategy IN ({strategies}) AND created_at > %s
GROUP BY strategy
"""
FALLS = """
SELECT 'fall', strategy, CAST(fall AS text), quote_asset, '' FROM orders_dayresult
WHERE day = %s AND strategy IN ('', {strategies})
"""
FREE = """
SELECT 'free', asset, CAST(free AS text), '', '' FROM orders_balance
WHERE asset IN ({quotes}) AND read_at > %s
"""
MOVED = """
SELECT CASE WHEN o.side = 'SELL' THEN 'sold' WHEN o.status IN ({live}) THEN 'buying'
ELSE 'bought' END, b.asset, CAST(o.executed_quote AS text), CAST(o.quantity AS text),
CAST(o.price_seen AS text)
FROM orders_order o JOIN market_symbol m ON m.id = o.symbol_id
JOIN orders_balance b ON b.asset = m.quote_asset
WHERE b.asset IN ({quotes}) AND b.read_at > %s AND (
o.status IN ({live}) OR (o.created_at > %s AND o.created_at > b.read_at))
"""
# Of an order: whether a protective stop of its series has not ended.
GUARDED = RawSQL(  # noqa: S611  # no value in it is anybody's input
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


def lock_held(series: Collection[Series]) -> dict[Series, Decimal]:
    """What is held, by strategy and symbol; locked, so that no second sale is written.

    These series and no others: whoever locks more than it needs, in another order than the
    next one, may wait for that one for ever.
    """
    rows = fetch(HELD.format(pairs=_pairs(series)) + for_update(), *_flat(series))
    return {(strategy, symbol_id): Decimal(quantity) for strategy, symbol_id, quantity in rows}


def known(client_order_ids: Collection[str]) -> set[str]:
    """Those of the ids that stand for an order already."""
    sql = KNOWN.format(ids=placeholders(len(client_order_ids)))
    return {client_order_id for (client_order_id,) in fetch(sql, *client_order_ids)}


def under_way(
    series: Collection[Series],
) -> tuple[defaultdict[Series, set[Side]], set[Series], set[int]]:
    """The sides of the market orders that have not ended, the series with a protective stop
    that has not, and the symbols that an alarm is raised for."""
    sides: defaultdict[Series, set[Side]] = defaultdict(set)
    guarded, alarmed = set(), set()
    sql = UNDER_WAY.format(live=placeholders(len(LIVE)), pairs=_pairs(series))
    for strategy, symbol_id, side, kind in fetch(sql, *LIVE, *_flat(series)):
        if kind == Order.Kind.STOP_LOSS:
            guarded.add((strategy, symbol_id))
        elif side:
            sides[strategy, symbol_id].add(Side(side))
        else:
            alarmed.add(symbol_id)
    return sides, guarded, alarmed


def halt_level() -> str | None:
    """The level that governs; None where none was ever set."""
    rows = fetch(HALT)
    return str(rows[0][0]) if rows else None


def take_turn() -> None:
    """Wait until no other transaction lets entries pass, and keep others from it until this ends.

    Else each of two that run at once would find room for one more (docs/decisions/0013). On
    SQLite transactions that write come one by one as it is.
    """
    if connection.vendor == "postgresql":
        fetch(TURN)


def standing(
    strategies: Collection[str], quotes: Collection[str], limits: Limits, now: datetime
) -> list[tuple[str, ...]]:
    """The rows of STANDING and of the limits that are on; of an outdated balance, none."""
    known_since = time_value(now - BALANCE_COUNTS)
    parts: list[tuple[str, list[Any]]] = [
        (STANDING, []),
        (FREE, [*quotes, known_since]),
        (MOVED, [*LIVE, *quotes, known_since, *LIVE, known_since]),
    ]
    if limits.entries_per_hour:
        parts.append((ENTRIES, [*strategies, time_value(now - HOUR)]))
    if limits.daily_loss:
        parts.append((FALLS, [now.date().isoformat(), *strategies]))
    sql = " UNION ALL ".join(part for part, _ in parts).format(
        halt=HALT, strategies=placeholders(len(strategies)), quotes=placeholders(len(quotes)),
        live=placeholders(len(LIVE)),
    )  # fmt: skip
    return fetch(sql, *(value for _, values in parts for value in values))


def insert_orders(orders: Sequence[Order]) -> None:
    for order, (pk,) in zip(orders, ORDERS.run(orders), strict=True):
        order.pk = pk


def insert_changes(changes: Sequence[OrderChange]) -> None:
    CHANGES.run(changes)


def _pairs(series: Collection[Series]) -> str:
    return ", ".join(["(%s, %s)"] * len(series))


def _flat(series: Collection[Series]) -> list[str | int]:
    return [value for pair in series for value in pair]
