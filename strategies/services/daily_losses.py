"""Daily losses of strategies, measured where they are limited."""

from datetime import datetime

from django.conf import settings

from candles.services import last_prices
from market.models import Symbol
from orders.models import Position
from orders.services import record_day_result


def update_daily_loss(now: datetime) -> None:
    """Update the day's loss, which pre-trade checks compare with MAX_DAILY_LOSS."""
    if settings.MAX_DAILY_LOSS:
        held = Position.objects.open()
        names = set(held.values_list("symbol__name", flat=True))
        names.update(Symbol.objects.followed().values_list("name", flat=True))  # fees' assets
        record_day_result(last_prices(sorted(names)), now)
