"""What workers do with closed candles and open positions."""

from celery import shared_task
from django.utils import timezone

from strategies import services
from strategies.services import Closed


@shared_task
def evaluate(closed: list[Closed]) -> None:
    """Judge all candles that closed together, and send what they lead to from here."""
    services.evaluate([Closed(*candle) for candle in closed], timezone.now(), claim=True)


@shared_task
def sweep_candles() -> None:
    """Judge what was never judged."""
    services.catch_up(timezone.now())


@shared_task
def flatten() -> None:
    """Sell what is held if the halt says flatten."""
    services.flatten_if_halted(timezone.now())


@shared_task
def guard_positions() -> None:
    """Have a protective stop rest at the exchange for what is held."""
    services.guard(timezone.now())


@shared_task
def sweep_exits() -> None:
    """Sell what should have been sold and is still held, guard the rest, and look how much was
    lost today."""
    services.finish_exits(timezone.now())
    services.guard(timezone.now())
    services.watch_losses(timezone.now())
