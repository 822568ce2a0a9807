"""Drawdown of the day: its profit and loss against its peak, for MAX_DAILY_LOSS."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from foundation.decimals import EXACT
from orders.core.performance import PositionResult, pnl
from orders.models import DayResult, Position
from orders.services.entry_limits import ALL_STRATEGIES
from orders.services.performance import position_results


@transaction.atomic
def record_day_result(last_prices: Mapping[str, Decimal], now: datetime) -> None:
    """Record the day's (UTC) result at these prices, per strategy and for all together.

    The day begins at what its positions are worth when it is first marked. Where the price of
    something held is not known, nothing is: a guess would look like a gain or a loss.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = position_results(last_prices, since=midnight)
    unpriced = _unpriced(last_prices)
    together: defaultdict[str, list[PositionResult]] = defaultdict(list)
    for (strategy, quote), own in found.items():
        together[quote] += own
        if (strategy, quote) not in unpriced:
            _record(strategy, quote, pnl(own), now)
    for quote, results in together.items():
        if quote not in {quote for _, quote in unpriced}:
            _record(ALL_STRATEGIES, quote, pnl(results), now)


def _unpriced(last_prices: Mapping[str, Decimal]) -> set[tuple[str, str]]:
    """Strategies that hold something whose price is not known, with its quote asset."""
    positions = Position.objects.open().exclude(symbol__name__in=list(last_prices))
    return set(positions.values_list("strategy", "symbol__quote_asset"))


def _record(strategy: str, quote: str, now_pnl: Decimal, now: datetime) -> None:
    row, new = DayResult.objects.select_for_update().get_or_create(
        day=now.date(),
        strategy=strategy,
        quote_asset=quote,
        defaults={"pnl": now_pnl, "peak": now_pnl, "at": now},
    )
    if not new:
        row.pnl, row.peak, row.at = now_pnl, max(row.peak, now_pnl), now
        row.drawdown = max(row.drawdown, EXACT.subtract(row.peak, now_pnl))
        row.save()
