"""`manage.py runstream`: the exchange's stream, folded into candles."""

import gc
import os
import signal
import socket
import sys
from argparse import ArgumentParser
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from candles.live.lease import Lease
from candles.live.state import StateWriter
from candles.management import arguments
from candles.shards import Shard
from foundation.outages import DATABASE_OUTAGES, RETRY_S, is_damage
from foundation.redis import connection
from market.failures import ExchangeUnreachable
from market.rest import market_rest
from market.services import UnknownSymbol, load_symbols
from market.stream.client import MarketStream
from strategies.services import ensure_variants
from tradingsite import logs
from tradingsite.startup.prerequisites import await_tables, damage_line
from tradingsite.stream.process import StreamProcess
from tradingsite.stream.stop_monitor import VERSION_KEY

# A closed candle must not wait for its database thread while this one is busy with ticks.
SWITCH_S = 0.0005
logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Reads the exchange's stream and folds its ticks into candles, until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--shard",
            type=arguments.shard,
            default=Shard(),
            metavar="I/N",
            help="follow the I-th of N shares of the symbols; two processes with the same share"
            " stand by for each other (default: %(default)s, all of them)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logs.set_up()
        shard: Shard = options["shard"]
        holder = f"{socket.gethostname()}:{os.getpid()}"
        process = StreamProcess(
            MarketStream(settings.BINANCE_STREAM_URL, settings.INTERVALS),
            market_rest(),
            StateWriter(Lease(connection(), shard=str(shard), holder=holder), watched=VERSION_KEY),
            settings.INTERVALS,
            shard,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.stop())
        try:
            self._run(process)
        except DatabaseError as error:
            if not is_damage(error):
                raise
            raise SystemExit(damage_line(error)) from None
        # A thread that waits for the exchange's answer to a sale would hold the exit up; what
        # becomes of that order is looked up by a worker.
        sys.stderr.flush()
        os._exit(0)

    def _run(self, process: StreamProcess) -> None:
        self._prepare(process)
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()  # what is loaded by now stays: no need to look through it again and again
        process.run()

    def _prepare(self, process: StreamProcess) -> None:
        """Strategies and symbols, as soon as the database and the exchange can be asked."""
        await_tables(process.stopping)
        while not process.stopping.is_set():
            try:
                ensure_variants()
                load_symbols(process.context.rest)
                return
            except DATABASE_OUTAGES as error:
                logger.warning("database.unreachable", error=str(error))
                process.stopping.wait(RETRY_S)
            except UnknownSymbol as error:
                # 2: no start again makes it better, and the launcher stops for it.
                raise CommandError(
                    f"SYMBOLS: {error}; name one that it trades", returncode=2
                ) from error
            except ExchangeUnreachable as error:
                logger.warning("exchange.unreachable", error=str(error))
                process.stopping.wait(max(RETRY_S, error.retry_after_s))
