"""Periodic tasks on symbols."""

from collections.abc import Iterable

import structlog
from celery import shared_task

from foundation.redis import connection
from market import services
from market.failures import ExchangeUnreachable
from market.models import GONE, Symbol
from market.rest import market_rest
from market.services import UnknownSymbol
from market.wire.bounds import BadFrame

ASK_AGAIN_S = 3  # about one symbol
ASKED_KEY = "market:asked:{name}"  # string, expires: the exchange was asked about it just now
logger = structlog.get_logger(__name__)


@shared_task
def refresh_symbols() -> None:
    """Read all followed symbols again: one that is gone may have come back."""
    try:
        services.load_symbols(market_rest())
    except (ExchangeUnreachable, UnknownSymbol) as error:
        logger.warning("symbols.refresh_failed", error=str(error))


@shared_task
def refresh_trading() -> None:
    """Read status and rules of followed symbols again; those that are gone, each by itself."""
    followed = Symbol.objects.followed()
    ask_about(followed.exclude(status=GONE).values_list("name", flat=True))
    for name in followed.filter(status=GONE).values_list("name", flat=True):
        ask_about([name])


@shared_task
def refresh_symbol(name: str) -> None:
    """Read status and rules of one symbol again, unless that was done a moment ago."""
    if connection().set(ASKED_KEY.format(name=name), 1, nx=True, ex=ASK_AGAIN_S):
        ask_about([name])


def ask_about(names: Iterable[str]) -> None:
    """Read status and rules of these symbols again, where the exchange answers."""
    try:
        services.refresh_symbols(names, market_rest())
    except (ExchangeUnreachable, BadFrame) as error:
        logger.warning("symbols.refresh_failed", error=str(error))
