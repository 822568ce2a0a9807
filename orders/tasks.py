"""Tasks of orders: sent, looked up, reconciled, logged."""

from collections.abc import Iterable
from contextlib import suppress

import structlog
from celery import shared_task
from django.utils import timezone

from foundation.outages import is_outage
from market.tasks import ask_about
from orders import services
from orders.core.status import OrderStatus
from orders.models import Order
from orders.venue.binance import exchange
from orders.venue.exchange import Busy

logger = structlog.get_logger(__name__)


@shared_task
def submit_orders(order_ids: list[int]) -> None:
    services.send_orders(order_ids, exchange())


@shared_task
def sweep_orders() -> None:
    """Send what was never sent, look up what was never answered, log what was never logged.

    With it, cancel protective stops that no longer fit, and read what there is to spend.
    """
    services.send_orders(Order.objects.unsent().ids(), exchange())
    services.cancel_misfit_stops(exchange())
    services.resolve_unanswered(exchange())
    services.settle_known_statuses(timezone.now())
    services.read_balances(exchange(), timezone.now())
    with suppress(Busy):  # who has an order to send will say so
        exchange().keep_ready()
    services.append_trade_log()  # last: a disk that is full keeps nobody from trading


@shared_task
def reconcile_account() -> None:
    """Compare the exchange's account with our books."""
    services.reconcile_account(exchange())


@shared_task
def check_trading() -> None:
    """Ask about symbols that are held and not trading, and raise or settle their alarms."""
    ask_about(services.names_not_trading())
    services.check_trading(timezone.now())


@shared_task
def sum_results() -> None:
    """Add what closed to the sums that /performance is made of, so that who asks need not wait."""
    services.sum_up(timezone.now())


@shared_task
def write_trade_log() -> None:
    services.append_trade_log()


def queue_orders(orders: Iterable[Order | None]) -> None:
    """Have a worker send the new orders among these: called once they are committed.

    Those are the ones that wait as PENDING: what nobody claimed as it was opened, and the sale of
    what a protective stop guards. One that a busy exchange sent back waits for the sweep, and so
    do all where the broker is away.
    """
    waiting = [order.pk for order in orders if order is not None and _is_new(order)]
    if not waiting:
        return
    try:
        submit_orders.delay(waiting)
    except Exception as error:
        if not is_outage(error):
            raise
        logger.warning("orders.queue_failed", orders=len(waiting), error=str(error).strip())


def _is_new(order: Order) -> bool:
    return order.status == OrderStatus.PENDING and order.submitted_at is None
