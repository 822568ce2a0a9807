"""`manage.py backfill`: years of the exchange's klines into the database."""

import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from candles.history.backfill import SeriesSpan, backfill, first_kline_ms
from candles.history.progress import Progress
from candles.intervals import INTERVALS_MS, floor_ms
from candles.klines import MIN_KLINE_AGE_MS
from candles.management import arguments
from candles.management.exchange import STOPPED, exchange_session, find_symbol
from candles.management.output import time_text
from market.failures import ExchangeUnreachable
from market.rest import MarketRest, market_rest
from market.wire.bounds import BadFrame


class Command(BaseCommand):
    help = (
        "Fetch the exchange's past klines that are not stored yet, at a pace that leaves room for "
        "trading. Started again, it goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol", type=arguments.symbol_name, metavar="SYMBOL", help="BTCUSDT")
        parser.add_argument(
            "--since",
            type=arguments.utc_time,
            required=True,
            help="a date or time in UTC: 2024-01-01",
        )
        parser.add_argument("--until", type=arguments.utc_time, help="likewise; by default now")
        parser.add_argument(
            "--interval", type=arguments.interval, default="1m", help="by default 1m"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        interval: str = options["interval"]
        since_ms: int = options["since"]
        until_ms: int | None = options["until"]
        since = time_text(since_ms)
        if until_ms is not None and since_ms >= until_ms:
            until = time_text(until_ms)
            raise CommandError(f"--since {since} has to lie before --until {until}")
        with exchange_session() as stopping:
            rest = market_rest().in_background(stopping)
            settled_ms = rest.server_time() - MIN_KLINE_AGE_MS
            end_ms = settled_ms if until_ms is None else min(until_ms, settled_ms)
            end_ms = floor_ms(end_ms, INTERVALS_MS[interval])
            if since_ms >= end_ms:
                raise CommandError(f"--since {since}: no {interval} candle closed since")
            symbol = find_symbol(options["symbol"], rest)
            start_ms = first_kline_ms(rest, symbol.name, interval, since_ms, end_ms)
            if start_ms is None:
                text = f"{symbol}: the exchange has no {interval} klines before {time_text(end_ms)}"
                raise CommandError(text)
            self._fill(rest, SeriesSpan(symbol, interval, start_ms, end_ms), stopping)

    def _fill(self, rest: MarketRest, span: SeriesSpan, stopping: threading.Event) -> None:
        total = span.candles_before(span.end_ms)
        progress = Progress(self.stdout.write, str(span), total, "candles")
        fetched, until_ms, why = 0, span.start_ms, "stopped"
        try:
            for page in backfill(rest, span, stopping):
                fetched, until_ms = fetched + page.fetched, page.until_ms
                progress.show(span.candles_before(until_ms), time_text(until_ms))
                if stopping.is_set():
                    break
        except (ExchangeUnreachable, BadFrame) as error:
            why = "stopped" if stopping.is_set() else str(error)
        finally:
            progress.close()
        if until_ms < span.end_ms:
            text = f"{why}; {span} is stored up to {time_text(until_ms)}, the same command goes on"
            raise CommandError(text, returncode=STOPPED if stopping.is_set() else 1)
        self.stdout.write(
            f"{span}: {time_text(span.start_ms)} to {time_text(until_ms)} is stored, "
            f"{fetched:,} fetched now"
        )
