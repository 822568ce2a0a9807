"""Steps of protective stops: the sweep, a tick that hits, and what was sold by then."""

from datetime import datetime, timedelta
from decimal import Decimal

from orders.core.stops import Hit, hit
from orders.models import Order
from orders.services import ANSWER_DUE, cancel_misfit_stops, open_stops, resolve_order, send_orders
from orders.venue.exchange import OutcomeUnknown
from strategies.services import finish_exits, open_protective_stops, stop_out
from tests.builders import NOON, NOON_MS, tick
from tests.fakes import FakeExchange

LOST = OutcomeUnknown("timed out")
HELD = Decimal("0.001")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def sweep(exchange: FakeExchange, seconds: float) -> None:
    """What the timetable does every second or two."""
    now = at(seconds)
    finish_exits(now, FakeExchange())
    open_protective_stops(now)
    cancel_misfit_stops(exchange, lambda: now)
    send_orders(Order.objects.unsent().ids(), exchange, lambda: now)
    for order_id in Order.objects.unanswered(now - ANSWER_DUE).ids():
        resolve_order(order_id, exchange, lambda: now)


def newest_stop() -> Order:
    return Order.objects.filter(kind="STOP_LOSS").order_by("-pk")[0]


def hits() -> list[Hit]:
    return hit(open_stops(), [tick("53999", time_ms=NOON_MS + 5000)])


def tick_stop(exchange: FakeExchange, seconds: float = 10) -> Order:
    """A tick hits the stop; what becomes of the sale."""
    [signal] = stop_out(hits(), at(seconds), FakeExchange())
    assert signal.order is not None
    send_orders([signal.order.pk], exchange, lambda: at(seconds))
    signal.order.refresh_from_db()
    return signal.order


def sold(exchange: FakeExchange) -> Decimal:
    """How much of what we bought the exchange has sold for us; more than that sold twice."""
    return Decimal(10) + HELD - exchange.held["BTC"]


def statuses() -> list[str]:
    return [f"{one.kind} {one.status}" for one in Order.objects.filter(side="SELL").order_by("pk")]
