"""Sweeps over candles, run by workers every few seconds."""

from collections.abc import Callable
from datetime import datetime

import structlog
from celery import shared_task
from django.conf import settings

from candles import services
from candles.live.state import read_states
from foundation.redis import connection
from foundation.times import now_ms, to_time
from market.failures import ExchangeUnreachable
from market.models import GONE, Symbol
from market.rest import MarketRest, market_rest
from market.tasks import ask_about
from market.wire.bounds import BadFrame

SILENT_MS = 20_000  # nobody has traded for so long
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


@shared_task
def ask_about_silent_symbols() -> None:
    """Read the status of symbols in which nothing was traded for a while: they may be suspended."""
    names = list(Symbol.objects.followed().exclude(status=GONE).values_list("name", flat=True))
    states = read_states(connection(), names)
    before_ms = now_ms() - SILENT_MS
    ask_about(name for name in names if name in states and states[name].last_time_ms < before_ms)
