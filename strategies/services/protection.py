"""Protective stops for what is held: written down here, for their keys name the strategy."""

from datetime import datetime
from itertools import takewhile

from foundation.times import to_ms
from orders.core.exits import pause_after
from orders.core.status import OrderStatus
from orders.models import HaltLevel, Order, Position
from orders.services import create_protective_stop, current_halt, unprotected_positions
from strategies.keys import stop_key
from strategies.models import Strategy

# Ends that we did not bring about. A cancel is nearly always our own.
FAILED = {
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH,
    OrderStatus.EXPIRED_UNSENT,
}


def open_protective_stops(now: datetime) -> list[Order]:
    """Write a protective stop down for every open position that lacks one.

    One that failed is tried again after a pause. What is to be sold anyway gets none.
    """
    positions = unprotected_positions()
    if not positions or _flattens():
        return []
    ids = dict(Strategy.objects.values_list("name", "pk"))
    written = []
    for position in positions:
        if position.strategy in ids:
            key = _next_key(ids[position.strategy], position, now)
            written.append(create_protective_stop(position.pk, key, now) if key else None)
    return [stop for stop in written if stop is not None]


def _flattens() -> bool:
    halt = current_halt()
    return halt is not None and halt.level == HaltLevel.FLATTEN


def _next_key(strategy_id: int, position: Position, now: datetime) -> str | None:
    """The key of the position's next stop; None where the last one failed just now."""
    position_key = strategy_id, position.symbol_id, to_ms(position.opened_at)
    stops = Order.objects.filter(
        strategy=position.strategy,
        symbol=position.symbol_id,
        kind=Order.Kind.STOP_LOSS,
        client_order_id__startswith=stop_key(*position_key),
    )
    tried = list(stops)  # the last one first
    failed = list(takewhile(lambda stop: stop.status in FAILED, tried))
    if failed and failed[0].ended_at and now < failed[0].ended_at + pause_after(len(failed)):
        return None
    return f"{stop_key(*position_key)}{len(tried) + 1}"
