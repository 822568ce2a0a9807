"""Exits of positions: what is still watched, what may be sold now, and how much is there."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import QuerySet

from foundation.decimals import EXACT, ZERO, plain
from foundation.times import to_ms
from market.models import TRADING
from market.rules import SymbolRules
from orders.core.exits import ExitReason, PastSale, next_sale_at
from orders.core.status import OrderStatus
from orders.core.stops import Stop
from orders.events import position_changed
from orders.models import Order, Position
from orders.queries import live_orders
from orders.venue.exchange import Busy, Exchange, OutcomeUnknown, Refused

MAX_PAST_SALES = 10  # more failures than these make no pause longer
logger = structlog.get_logger(__name__)


def open_stops() -> list[Stop]:
    """The stops of all open positions that are not to be sold as it is.

    That one has a protective stop at the exchange changes nothing: we watch it all the same.
    """
    positions = Position.objects.watched()
    return [
        Stop(pk, name, price, to_ms(opened_at))
        for pk, name, price, opened_at in positions.values_list(
            "pk", "symbol__name", "stop_price", "opened_at"
        )
        if price is not None
    ]


def sellable_now(positions: Sequence[Position], now: datetime) -> list[Position]:
    """Those of open positions that no sale is under way of, and none was tried just now.

    Of a symbol that is not trading, none: it would be refused.
    """
    trading = [position for position in positions if position.symbol.status == TRADING]
    if not trading:
        return []
    live = live_orders({(one.strategy, one.symbol_id) for one in trading})
    return [
        position
        for position in trading
        if not live.sides[position.strategy, position.symbol_id] and _is_due(position, now)
    ]


def _is_due(position: Position, now: datetime) -> bool:
    due_at = next_sale_at(_past_sales(position))
    return due_at is None or now >= due_at


def _past_sales(position: Position) -> list[PastSale]:
    """The last sales of a position's exit that have ended, newest first."""
    rows = _sales_of_exit(position)
    values = rows.values_list("status", "executed_quantity", "ended_at")[:MAX_PAST_SALES]
    return [PastSale(status, sold, at) for status, sold, at in values if at is not None]


def _sales_of_exit(position: Position) -> QuerySet[Order]:
    """The sales since it was decided that the position is to be sold."""
    sales = Order.objects.of(position.strategy, position.symbol_id)
    decided_at = position.exit_decided_at
    return sales.none() if decided_at is None else sales.sales_since(decided_at)


def revoke_halt_exits() -> None:
    """Keep what only a halt wanted to be sold: it says so no longer."""
    revoked = Position.objects.exiting().filter(exit_reason=ExitReason.HALT)
    if revoked.exists():
        revoked.update(exit_reason="", exit_decided_at=None)


@transaction.atomic
def close_dust(position_id: int, price: Decimal, now: datetime) -> bool:
    """Close a position of which nothing can be sold at this price; True where that was so.

    What is left moves to the next one, as what a sale leaves does.
    """
    rows = Position.objects.select_for_update(of=("self",)).select_related("symbol")
    position = rows.open().filter(pk=position_id).first()
    if position is None:
        return True
    rules = SymbolRules.from_filters(position.symbol.filters)
    if rules.sellable(position.quantity, price):
        return False
    position.status, position.closed_at = Position.Status.CLOSED, now
    position.save(update_fields=["status", "closed_at"])
    logger.info("position.closed_as_dust", position=position.pk, quantity=plain(position.quantity))
    position_changed.announce([position])
    return True


def read_available(position_ids: Collection[int], exchange: Exchange) -> dict[int, Decimal]:
    """Base asset that the account has for these positions, of those whose sale was refused.

    For the others our books are believed, and nobody is asked. What one takes is not there for
    the next; what its own protective stop has locked is, for that ends before the sale is sent.
    """
    refused = [one for one in _in_order(position_ids) if _was_refused(one)]
    if not refused:
        return {}
    try:
        free = exchange.free_balances()
    except (Refused, Busy, OutcomeUnknown) as failure:
        logger.warning("balances.read_failed", reason=str(failure))
        return {}
    found = {}
    for position in refused:
        asset = position.symbol.base_asset
        there = EXACT.add(free.get(asset, ZERO), _locked_by_stop(position))
        found[position.pk] = min(there, position.quantity)
        free[asset] = EXACT.subtract(there, found[position.pk])
    return found


def _in_order(position_ids: Collection[int]) -> list[Position]:
    rows = Position.objects.filter(pk__in=position_ids).select_related("symbol")
    return list(rows.order_by("pk"))


def _was_refused(position: Position) -> bool:
    return _sales_of_exit(position).filter(status=OrderStatus.REJECTED).exists()


def _locked_by_stop(position: Position) -> Decimal:
    stop = Order.objects.of(position.strategy, position.symbol_id).resting().first()
    return stop.quantity if stop else ZERO
