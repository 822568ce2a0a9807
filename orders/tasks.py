"""What workers do with orders."""

from collections.abc import Sequence
from contextlib import suppress

from celery import shared_task
from django.utils import timezone

from orders import services
from orders.core.status import OrderStatus
from orders.models import Order
from orders.venue.binance import exchange
from orders.venue.exchange import Busy


@shared_task
def submit_orders(order_ids: list[int]) -> None:
    services.carry_out(order_ids, exchange())


@shared_task
def sweep_orders() -> None:
    """Send what was never sent, look up what was never answered, log what was never logged.

    With it, take back protective stops that are out of step, and read what there is to spend.
    """
    services.carry_out(services.unsent(), exchange())
    services.withdraw_astray(exchange())
    for order_id in services.unanswered(timezone.now()):
        if not services.reconcile(order_id, exchange()):
            break
    services.append_trade_log()
    services.read_balances(exchange(), timezone.now())
    with suppress(Busy):  # who has an order to send will say so
        exchange().keep_ready()


@shared_task
def reconcile_account() -> None:
    """Hold the exchange's account against our books."""
    services.reconcile_account(exchange())


@shared_task
def write_trade_log() -> None:
    services.append_trade_log()


def send(orders: Sequence[Order]) -> None:
    """The reaction to `order_opened`: into the exchange by the shortest way.

    What was claimed as it was opened is sent from where it was: another trip through the queue
    would double the time from candle to order, or from a hit stop to its sale. Of the rest a
    worker gets told: what a page asked for, and the sale of what a protective stop guards.
    """
    claimed = [order for order in orders if order.status == OrderStatus.SUBMITTED]
    pending = [order.pk for order in orders if order.status == OrderStatus.PENDING]
    if pending:
        submit_orders.delay(pending)
    if claimed:
        services.send_claimed(claimed, exchange())
