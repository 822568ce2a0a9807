"""Status transitions of an order, each with its line of history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from orders import queries
from orders.core.status import ENDED, OrderStatus, may_follow
from orders.events import order_changed
from orders.models import Order, OrderChange

REASON_LENGTH = 300
logger = structlog.get_logger(__name__)


def lock_order(order_id: int) -> Order:
    """The order's row, locked until the transaction ends."""
    orders = Order.objects.select_for_update(of=("self",)).select_related("symbol")
    return orders.get(pk=order_id)


def transition(
    order: Order, status: OrderStatus, now: datetime, detail: str = "", **fields: Any
) -> bool:
    """Take a locked order to `status`; False where that must not follow its present one."""
    if not may_follow(OrderStatus(order.status), status):
        return False
    ends = status in ENDED
    if ends or order.ended_at is not None:
        fields |= {"ended_at": now if ends else None, "reason": detail[:REASON_LENGTH]}
    for name, value in {"status": status, **fields}.items():
        setattr(order, name, value)
    order.save(update_fields=["status", *fields])
    record_changes([order], now, detail)
    order_changed.announce([order])
    log = logger.bind(order=order.client_order_id, symbol=order.symbol.name)
    log.info(f"order.{status.lower()}", side=order.side, strategy=order.strategy, detail=detail)
    return True


@transaction.atomic
def transition_by_id(order_id: int, status: OrderStatus, now: datetime, detail: str = "") -> bool:
    return transition(lock_order(order_id), status, now, detail)


def record_changes(orders: Sequence[Order], now: datetime, detail: str = "") -> None:
    """Add the orders' present status to their history; what ended them is told by itself."""
    queries.insert_changes([change_of(order, order.status, now, detail) for order in orders])


def change_of(order: Order, status: str, now: datetime, detail: str = "") -> OrderChange:
    """A line of an order's history, not written yet."""
    text = (detail or order.reason)[:REASON_LENGTH]
    return OrderChange(order=order, status=status, detail=text, at=now)
