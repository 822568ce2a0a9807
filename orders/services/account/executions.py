"""Executions from the account's own event stream, booked like any answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import structlog

from foundation.times import to_time
from orders.core.status import ENDED, OrderStatus
from orders.models import ForeignOrder, Order, Trade
from orders.services.booking import record
from orders.venue.exchange import Execution, ExecutionReport, ListedOrder

logger = structlog.get_logger(__name__)


def apply_executions(executions: Iterable[Execution], now: datetime) -> None:
    """Book executions in the order they happened in, each once; what is booked costs no write.

    Orders that are none of ours are noted, and nothing else is done about them.
    """
    by_id = {execution.execution_id: execution for execution in executions}
    by_name: defaultdict[str, list[Execution]] = defaultdict(list)
    for execution_id in sorted(by_id):
        execution = by_id[execution_id]
        by_name[execution.report.client_order_id].append(execution)
    orders = {one.client_order_id: one for one in Order.objects.filter(client_order_id__in=by_name)}
    booked = _booked_trades(orders.values())
    for name, steps in by_name.items():
        order = orders.get(name)
        if order is None:
            record_foreign_order(steps[-1].symbol, steps[-1].order, now)
        elif not _is_booked(order, booked[order.pk], report := _joined(steps)):
            record(order.pk, report, now)


def record_foreign_order(symbol: str, order: ListedOrder, now: datetime, **known: Decimal) -> None:
    """Record an order that is none of ours, as it stands; `known` are further fields."""
    state = {
        "executed_quantity": order.executed_quantity,
        "status": order.status,
        "seen_at": now,
        **known,
    }
    placed = {"side": order.side, "quantity": order.quantity, "placed_at": to_time(order.time_ms)}
    row, created = ForeignOrder.objects.update_or_create(
        symbol=symbol,
        exchange_order_id=order.exchange_order_id,
        client_order_id=order.client_order_id[:40],
        defaults=state,
        create_defaults=state | placed,
    )
    if created:
        logger.warning("foreign_order.seen", symbol=symbol, order=row.client_order_id)


def _joined(steps: Sequence[Execution]) -> ExecutionReport:
    """Steps of one order as one report: the last one's status, the fills of all."""
    fills = {fill.trade_id: fill for step in steps for fill in step.report.fills}
    return replace(steps[-1].report, fills=tuple(fills.values()))


def _booked_trades(orders: Iterable[Order]) -> Mapping[int, set[int]]:
    """The trades that are booked already, by order."""
    trades: defaultdict[int, set[int]] = defaultdict(set)
    rows = Trade.objects.filter(order__in=orders).values_list("order_id", "trade_id")
    for order_id, trade_id in rows:
        trades[order_id].add(trade_id)
    return trades


def _is_booked(order: Order, booked: set[int], report: ExecutionReport) -> bool:
    """True where a report says nothing that is not on the books already."""
    settled = order.status in ENDED and order.status != OrderStatus.EXPIRED_UNSENT
    all_known = all(fill.trade_id in booked for fill in report.fills)
    return all_known and (settled or order.status == report.status)
