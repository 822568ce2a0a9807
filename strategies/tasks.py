"""Tasks on closed candles and open positions.

A new order is sent from here where `send` says so, as soon as it is committed; of the rest a worker
is past once they are.
"""

from celery import shared_task
from django.utils import timezone

from orders.tasks import queue_orders
from orders.venue.binance import exchange
from strategies import services
from strategies.services import CandleClose


@shared_task
def evaluate(closed: list[CandleClose]) -> None:
    """Evaluate all candles that closed together, and send what they lead to from here."""
    candles = [CandleClose(*candle) for candle in closed]
    signals = services.evaluate(candles, timezone.now(), exchange(), send=True)
    queue_orders(signal.order for signal in signals)


@shared_task
def sweep_candles() -> None:
    """Evaluate what was never evaluated."""
    signals = services.catch_up(timezone.now(), exchange())
    queue_orders(signal.order for signal in signals)


@shared_task
def flatten() -> None:
    """Sell what is held if the halt says flatten."""
    signals = services.flatten_if_halted(timezone.now(), exchange())
    queue_orders(signal.order for signal in signals)


@shared_task
def open_protective_stops() -> None:
    """Have a protective stop rest at the exchange for what is held."""
    queue_orders(services.open_protective_stops(timezone.now()))


@shared_task
def sweep_exits() -> None:
    """Sell what should have been sold and is still held, protect the rest, and measure how much
    was lost today."""
    signals = services.finish_exits(timezone.now(), exchange())
    queue_orders(signal.order for signal in signals)
    queue_orders(services.open_protective_stops(timezone.now()))
    services.update_daily_loss(timezone.now())
