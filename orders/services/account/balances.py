"""Free balances of the account, read now and then."""

from datetime import datetime, timedelta

import structlog

from foundation.decimals import ZERO
from market.models import Symbol
from market.rules import SymbolRules
from orders.models import Balance
from orders.venue.exchange import Busy, Exchange, OutcomeUnknown, Refused

READ_EVERY = timedelta(seconds=15)
logger = structlog.get_logger(__name__)


def read_balances(exchange: Exchange, now: datetime) -> None:
    """Ask for the balances that entries are held against, unless that was done a moment ago."""
    if Balance.objects.filter(read_at__gt=now - READ_EVERY).exists():
        return
    try:
        free = exchange.free_balances()
    except (Refused, Busy, OutcomeUnknown) as failure:
        logger.warning("balances.read_failed", reason=str(failure))
        return
    for asset in sorted(_assets()):
        # The exchange leaves out what there is nothing of.
        values = {"free": free.get(asset, ZERO), "read_at": now}
        Balance.objects.update_or_create(asset=asset, defaults=values)


def _assets() -> set[str]:
    """Quote assets, and the base assets of which the account may have only so much."""
    quotes = Symbol.objects.values_list("quote_asset", flat=True).distinct()
    bases = Symbol.objects.followed().values_list("base_asset", "filters")
    bounded = (
        base
        for base, filters in bases
        if SymbolRules.from_filters(filters).max_position is not None
    )
    return {*quotes, *bounded}
