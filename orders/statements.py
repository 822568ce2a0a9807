"""What opening an order reads and writes on its way to the exchange (`market.sql`)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal

from market.sql import Insert, fetch, for_update, marks
from market.ticks import Side
from orders.models import Order, OrderChange
from orders.status import ENDED, OrderStatus

LIVE = [status for status in OrderStatus if status not in ENDED]
Series = tuple[str, int]  # strategy, symbol

HELD = """
SELECT strategy, symbol_id, quantity FROM orders_position
WHERE status = 'open' AND (strategy, symbol_id) IN (VALUES {pairs}) ORDER BY id
"""
KNOWN = "SELECT client_order_id FROM orders_order WHERE client_order_id IN ({ids})"
UNDER_WAY = """
SELECT strategy, symbol_id, side FROM orders_order
WHERE status IN ({live}) AND (strategy, symbol_id) IN (VALUES {pairs})
UNION ALL
SELECT '', symbol_id, '' FROM orders_alarm WHERE raised_at IS NOT NULL AND settled_at IS NULL
"""
HALT = "SELECT level FROM orders_halt ORDER BY at DESC, id DESC LIMIT 1"
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
    sql = KNOWN.format(ids=marks(len(client_order_ids)))
    return {client_order_id for (client_order_id,) in fetch(sql, *client_order_ids)}


def under_way(
    series: Collection[Series],
) -> tuple[defaultdict[Series, set[Side]], set[int]]:
    """The sides of the orders that have not ended, and the symbols that an alarm is raised for."""
    sides: defaultdict[Series, set[Side]] = defaultdict(set)
    alarmed = set()
    sql = UNDER_WAY.format(live=marks(len(LIVE)), pairs=_pairs(series))
    for strategy, symbol_id, side in fetch(sql, *LIVE, *_flat(series)):
        if side:
            sides[strategy, symbol_id].add(Side(side))
        else:
            alarmed.add(symbol_id)
    return sides, alarmed


def halt_level() -> str | None:
    """The level that governs; None where none was ever set."""
    rows = fetch(HALT)
    return str(rows[0][0]) if rows else None


def insert_orders(orders: Sequence[Order]) -> None:
    for order, (pk,) in zip(orders, ORDERS.run(orders), strict=True):
        order.pk = pk


def insert_changes(changes: Sequence[OrderChange]) -> None:
    CHANGES.run(changes)


def _pairs(series: Collection[Series]) -> str:
    return ", ".join(["(%s, %s)"] * len(series))


def _flat(series: Collection[Series]) -> list[str | int]:
    return [value for pair in series for value in pair]
