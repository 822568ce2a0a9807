"""What workers do with closed candles and open positions."""

from celery import shared_task
from django.utils import timezone

from candles.models import Candle
from strategies import services


@shared_task
def evaluate(candle_ids: list[int]) -> None:
    """Judge all candles that closed together."""
    candles = Candle.objects.filter(pk__in=candle_ids).select_related("symbol")
    candles = candles.only("interval", "open_time", "symbol")
    services.evaluate(list(candles), timezone.now())


@shared_task
def sweep_candles() -> None:
    """Judge what was never judged."""
    services.catch_up(timezone.now())


@shared_task
def flatten() -> None:
    """Sell what is held if the halt says flatten."""
    services.flatten_if_halted(timezone.now())


@shared_task
def sweep_exits() -> None:
    """Sell what should have been sold and is still held."""
    services.finish_exits(timezone.now())
