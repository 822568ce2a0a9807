"""Protective stops: each open position's own stop order, resting at the exchange.

What the tick stop does while we are there, they do while we are not. A stop is an order like any
other, but no sale under way: whoever sells the position takes the stop back first.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from foundation.decimals import floor_to_step
from foundation.times import Clock
from market.rules import SymbolRules
from market.ticks import Side
from orders.core.status import ENDED, OrderStatus
from orders.models import Order, Position
from orders.services.booking import record
from orders.services.lookup import resolve_order
from orders.services.pre_trade import write_orders
from orders.services.sending import Answer, senders, submit
from orders.services.transitions import lock_order, transition
from orders.venue.exchange import Busy, Exchange, ExecutionReport, OutcomeUnknown, Refused

SEND_WITHIN = timedelta(seconds=60)
logger = structlog.get_logger(__name__)


class StopTerms(NamedTuple):
    """Quantity (base asset) that a position's stop is to sell, and its stop price."""

    quantity: Decimal
    price: Decimal


# --- The stops that should rest, and those that do -----------------------------------------------


def unprotected_positions() -> list[Position]:
    """Open positions that are to have a protective stop, have none, and are not being sold."""
    if not _enabled():
        return []
    positions = Position.objects.unprotected().select_related("symbol")
    found = list(positions.order_by("opened_at", "pk"))
    stops = Order.objects.stops().live()
    resting = Counter(stops.values_list("symbol", flat=True)) if found else Counter[int]()
    lacking = []
    for position in found:
        limit = _rules(position).max_stops
        if _terms(position) and (limit is None or resting[position.symbol_id] < limit):
            resting[position.symbol_id] += 1
            lacking.append(position)
    return lacking


@transaction.atomic
def create_protective_stop(position_id: int, client_order_id: str, now: datetime) -> Order | None:
    """Write a position's stop down for sending.

    None where it has one, is being sold, or is closed: the position's lock lets one worker
    through, and no sale is written meanwhile. Nor is one written under a name that another
    worker used, however its stop ended.
    """
    rows = Position.objects.select_for_update(of=("self",)).select_related("symbol")
    position = rows.open().filter(pk=position_id).first()
    if position is None:
        return None
    if Order.objects.of(position.strategy, position.symbol_id).sales().live().exists():
        return None
    if Order.objects.filter(client_order_id=client_order_id).exists():
        return None
    terms = _terms(position)
    if terms is None:
        return None
    stop = Order(
        client_order_id=client_order_id,
        strategy=position.strategy,
        symbol=position.symbol,
        side=Side.SELL,
        kind=Order.Kind.STOP_LOSS,
        quantity=terms.quantity,
        stop_price=terms.price,
        reference_price=terms.price,
        created_at=now,
        expires_at=now + SEND_WITHIN,
    )
    write_orders([stop], now)
    return stop


def cancel_misfit_stops(exchange: Exchange, clock: Clock = timezone.now) -> None:
    """Cancel the stops that are not what their positions need, or no longer wanted."""
    _cancel_stops(_misfit_stops(), exchange, clock)


def _misfit_stops() -> list[Order]:
    """One that is selling already is left alone: it ends by itself."""
    live = Order.objects.stops().live().exclude(status=OrderStatus.PARTIALLY_FILLED)
    stops = list(live.select_related("symbol"))
    if not stops or not _enabled():
        return stops
    positions = Position.objects.open().select_related("symbol")
    terms = {(one.strategy, one.symbol_id): _terms(one) for one in positions}
    return [
        stop
        for stop in stops
        if terms.get((stop.strategy, stop.symbol_id)) != (stop.quantity, stop.stop_price)
    ]


def _enabled() -> bool:
    return settings.PROTECTIVE_STOPS and settings.TRADING_ENABLED


def _terms(position: Position) -> StopTerms | None:
    """None where the exchange would take no stop for so little.

    On the tick below, the exchange sells at the same trades as our own stop does.
    """
    if position.stop_price is None:
        return None
    rules = _rules(position)
    price = floor_to_step(position.stop_price, rules.price_step)
    quantity = rules.sellable(position.quantity, price)
    return StopTerms(quantity, price) if quantity and price else None


def _rules(position: Position) -> SymbolRules:
    return SymbolRules.from_filters(position.symbol.filters)


# --- Cancelled, so that something else can sell --------------------------------------------------


def send_orders(order_ids: Sequence[int], exchange: Exchange, clock: Clock = timezone.now) -> None:
    """Send the pending ones among these orders; what a stop guards, once that has ended.

    Where it is not known to have ended, the sale waits: the stop guards the position meanwhile,
    and the next sweep asks again.
    """
    waiting = submit(order_ids, exchange, clock)
    if waiting:
        series = {(sale.strategy, sale.symbol_id) for sale in waiting}
        stops = Order.objects.stops().live().select_related("symbol")
        in_the_way = [stop for stop in stops if (stop.strategy, stop.symbol_id) in series]
        _cancel_stops(in_the_way, exchange, clock)
        submit([sale.pk for sale in waiting], exchange, clock)


def _cancel_stops(stops: Sequence[Order], exchange: Exchange, clock: Clock) -> None:
    """Cancel what rests, several at once, and book what became of it.

    A stop may have sold in the meantime, wholly or in part; then there is nothing to cancel, or
    less. A cancel may be sent again: it names one order, and that has ended then.
    """
    resting = [stop for stop in stops if _is_at_exchange(stop, exchange, clock)]
    for stop, answer in zip(
        resting, senders().map(partial(_cancel_stop, exchange), resting), strict=True
    ):
        if isinstance(answer, ExecutionReport):
            record(stop.pk, answer, clock())
            if not answer.executed_quantity:
                continue
        else:
            logger.warning("stop.cancel_failed", order=stop.client_order_id, reason=str(answer))
        if not isinstance(answer, Busy):
            resolve_order(stop.pk, exchange, clock)


def _is_at_exchange(stop: Order, exchange: Exchange, clock: Clock) -> bool:
    """True for a stop that is there to be cancelled; one that was not sent yet never will be.

    What became of the sending must be known first: a cancel that overtakes it finds nothing.
    """
    if _expire_unsent(stop.pk, clock()):
        return False
    if stop.exchange_order_id is None:
        resolve_order(stop.pk, exchange, clock)
    stop.refresh_from_db(from_queryset=Order.objects.select_related("symbol"))
    return stop.status not in ENDED and stop.exchange_order_id is not None


@transaction.atomic
def _expire_unsent(stop_id: int, now: datetime) -> bool:
    stop = lock_order(stop_id)
    if stop.status != OrderStatus.PENDING:
        return False
    return transition(stop, OrderStatus.EXPIRED_UNSENT, now, "taken back before it was sent")


def _cancel_stop(exchange: Exchange, stop: Order) -> Answer:
    assert stop.exchange_order_id is not None  # noqa: S101  # it is at the exchange
    try:
        return exchange.cancel(stop.symbol.name, stop.client_order_id, stop.exchange_order_id)
    except (Refused, Busy, OutcomeUnknown) as failure:
        return failure
