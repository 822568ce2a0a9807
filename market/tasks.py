"""Periodic tasks on symbols."""

import structlog
from celery import shared_task

from market.failures import ExchangeUnreachable
from market.rest import market_rest
from market.services import UnknownSymbol, load_symbols

logger = structlog.get_logger(__name__)


@shared_task
def refresh_symbols() -> None:
    """Read the trading rules of followed symbols again: the exchange changes them at times."""
    try:
        load_symbols(market_rest())
    except (ExchangeUnreachable, UnknownSymbol) as error:
        logger.warning("symbols.refresh_failed", error=str(error))
