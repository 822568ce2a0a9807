"""`manage.py runstream`: the exchange's stream, folded into candles."""

import gc
import signal
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from candles.store import Writer
from market.redis import connection
from market.rest import ExchangeUnreachable, MarketRest, market_rest
from market.services import UnknownSymbol, load_symbols
from market.stream import MarketStream
from strategies.services import ensure_variants
from tradingsite import logs
from tradingsite.recorder import DATABASE_GONE, RETRY_S
from tradingsite.stopwatch import VERSION_KEY
from tradingsite.streaming import StreamProcess

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Reads the exchange's stream and folds its ticks into candles, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        logs.set_up()
        process = StreamProcess(
            MarketStream(settings.BINANCE_STREAM_URL, settings.INTERVALS),
            market_rest(),
            Writer(connection(), watched=VERSION_KEY),
            settings.INTERVALS,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.stop())
        self._prepare(process)
        gc.freeze()  # what is loaded by now stays: no need to look through it again and again
        process.run()

    def _prepare(self, process: StreamProcess) -> None:
        """Strategies and symbols, as soon as the database and the exchange can be asked."""
        rest: MarketRest = process.rest
        while not process.stopping.is_set():
            try:
                ensure_variants()
                load_symbols(rest)
                return
            except DATABASE_GONE as error:
                logger.warning("database.unreachable", error=str(error))
                process.stopping.wait(RETRY_S)
            except UnknownSymbol as error:
                raise CommandError(f"SYMBOLS: {error}; name one that it trades") from error
            except ExchangeUnreachable as error:
                logger.warning("exchange.unreachable", error=str(error))
                process.stopping.wait(max(RETRY_S, error.retry_after_s))
