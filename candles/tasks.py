"""Sweeps over candles, run by workers every few seconds."""

from collections.abc import Callable
from datetime import datetime

import structlog
from celery import shared_task
from django.conf import settings

from candles import services
from foundation.redis import connection
from foundation.times import to_time
from market.bounds import BadFrame
from market.failures import ExchangeUnreachable
from market.rest import MarketRest, market_rest

logger = structlog.get_logger(__name__)


@shared_task
def sweep_verdicts() -> None:
    """Verify candles that closed lately by the exchange's klines."""
    _ask(lambda rest, now: services.verify_recent(rest, connection(), now))


@shared_task
def sweep_missing() -> None:
    """Insert candles of the last hours that are missing."""
    _ask(lambda rest, now: services.insert_missing(rest, connection(), settings.INTERVALS, now))


def _ask(sweep: Callable[[MarketRest, datetime], None]) -> None:
    """Run a sweep by the exchange's clock; what it leaves undone is the next one's."""
    rest = market_rest().in_background()
    try:
        sweep(rest, to_time(rest.server_time()))
    except (ExchangeUnreachable, BadFrame) as error:
        logger.warning("klines.request_failed", error=str(error))
