"""What workers do with orders."""

from collections.abc import Sequence

from celery import current_task, shared_task
from django.utils import timezone

from orders import services
from orders.binance import exchange
from orders.models import Order


@shared_task
def submit_orders(order_ids: list[int]) -> None:
    services.submit(order_ids, exchange())


@shared_task
def sweep_orders() -> None:
    """Send what was never sent, look up what was never answered, log what was never logged."""
    services.submit(services.unsent(), exchange())
    for order_id in services.unanswered(timezone.now()):
        services.reconcile(order_id, exchange())
    services.append_trade_log()


@shared_task
def write_trade_log() -> None:
    services.append_trade_log()


def send(orders: Sequence[Order]) -> None:
    """The reaction to `order_opened`: into the exchange by the shortest way.

    A worker that has just judged the candles sends from where it stands: another trip through
    the queue would double the time from candle to order. Anywhere else (stream, web) nothing
    may wait for the exchange, so a worker gets the orders.
    """
    if current_task:
        services.submit_opened(orders, exchange())
    else:
        submit_orders.delay([order.pk for order in orders])
