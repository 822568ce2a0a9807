"""`manage.py backfill`: years of the exchange's klines into the database."""

import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from candles.history.backfill import Stretch, backfill, first_kline_ms
from candles.intervals import INTERVALS_MS, floor_ms
from candles.klines import SETTLED_MS
from candles.management.asked import (
    STOPPED,
    asking,
    interval_asked,
    symbol_asked,
    time_asked,
    written,
)
from candles.management.output import Progress
from market.rest import ExchangeUnreachable, MarketRest, market_rest


class Command(BaseCommand):
    help = (
        "Fetch the exchange's past klines that are not stored yet, at a pace that leaves room for "
        "trading. Started again, it goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol", metavar="SYMBOL", help="BTCUSDT")
        parser.add_argument("--since", required=True, help="a date or time in UTC: 2024-01-01")
        parser.add_argument("--until", help="likewise; by default now")
        parser.add_argument("--interval", default="1m", help="by default 1m")

    def handle(self, *args: Any, **options: Any) -> None:
        interval = interval_asked(options["interval"])
        since_ms = time_asked("--since", options["since"])
        until_ms = time_asked("--until", options["until"]) if options["until"] else None
        if until_ms is not None and since_ms >= until_ms:
            text = f"--since {options['since']} has to lie before --until {options['until']}"
            raise CommandError(text)
        with asking() as stopping:
            rest = market_rest().in_background(stopping)
            settled_ms = rest.server_time() - SETTLED_MS
            end_ms = settled_ms if until_ms is None else min(until_ms, settled_ms)
            end_ms = floor_ms(end_ms, INTERVALS_MS[interval])
            if since_ms >= end_ms:
                raise CommandError(f"--since {options['since']}: no {interval} candle closed since")
            symbol = symbol_asked(options["symbol"], rest)
            start_ms = first_kline_ms(rest, symbol.name, interval, since_ms, end_ms)
            if start_ms is None:
                text = f"{symbol}: the exchange has no {interval} klines before {written(end_ms)}"
                raise CommandError(text)
            self._fill(rest, Stretch(symbol, interval, start_ms, end_ms), stopping)

    def _fill(self, rest: MarketRest, stretch: Stretch, stopping: threading.Event) -> None:
        total = stretch.candles_before(stretch.end_ms)
        progress = Progress(self.stdout.write, str(stretch), total, "candles")
        fetched, until_ms, why = 0, stretch.start_ms, "stopped"
        try:
            for page in backfill(rest, stretch, stopping):
                fetched, until_ms = fetched + page.fetched, page.until_ms
                progress.reached(stretch.candles_before(until_ms), written(until_ms))
                if stopping.is_set():
                    break
        except ExchangeUnreachable as error:
            why = "stopped" if stopping.is_set() else str(error)
        finally:
            progress.close()
        if until_ms < stretch.end_ms:
            text = f"{why}; {stretch} is stored up to {written(until_ms)}, the same command goes on"
            raise CommandError(text, returncode=STOPPED if stopping.is_set() else 1)
        self.stdout.write(
            f"{stretch}: {written(stretch.start_ms)} to {written(until_ms)} is stored, "
            f"{fetched:,} fetched now"
        )
