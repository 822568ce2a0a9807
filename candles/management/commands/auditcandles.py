"""`manage.py auditcandles`: stored candles held against the exchange's own."""

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from itertools import product
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from candles.comparison import Differences
from candles.history.audit import Audited, audit, series_begins_ms
from candles.history.backfill import Stretch
from candles.intervals import HOUR_MS, INTERVALS_MS, floor_ms
from candles.management.asked import STOPPED, asking, interval_asked, time_asked, written
from candles.management.output import Progress, table
from foundation.times import to_time
from market.models import Symbol
from market.rest import MarketRest, market_rest

RECORDED_MS = 10_000  # after its end a candle is here, and the exchange's no longer changes
DAY_MS = 24 * HOUR_MS
SHOWN = 20  # differences that are told one by one
COUNTS = (
    "checked", "exact", "repaired", "differing", "inserted", "missing", "not at the exchange",
)  # fmt: skip


class Command(BaseCommand):
    help = (
        "Hold stored candles against the exchange's klines. Equal ones become exact; nothing else "
        "changes without --repair. Ends with 1 where something differs or is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "symbol", metavar="SYMBOL", nargs="?", help="by default all that are followed"
        )
        parser.add_argument("--interval", help="by default all that there are candles of")
        parser.add_argument("--since", help="a date or time in UTC; by default a day ago")
        parser.add_argument("--until", help="likewise; by default now")
        parser.add_argument(
            "--repair", action="store_true", help="take over what the exchange says"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        intervals = list(INTERVALS_MS)
        if options["interval"]:
            intervals = [interval_asked(options["interval"])]
        since = time_asked("--since", options["since"]) if options["since"] else None
        until = time_asked("--until", options["until"]) if options["until"] else None
        symbols = _symbols(options["symbol"])
        self.repair: bool = options["repair"]
        self.report = Report()
        with asking() as self.stopping:
            rest = market_rest().in_background(self.stopping)
            now_ms = rest.server_time()
            until_ms = now_ms - RECORDED_MS if until is None else min(until, now_ms - RECORDED_MS)
            since_ms = until_ms - DAY_MS if since is None else since
            try:
                for symbol, interval in product(symbols, intervals):
                    stretch = _stretch(symbol, interval, since_ms, until_ms)
                    if stretch is not None and not self.stopping.is_set():
                        self._audit(rest, stretch, to_time(now_ms))
            finally:
                self.stdout.write(self.report.text())
        self._fail()

    def _audit(self, rest: MarketRest, stretch: Stretch, now: datetime) -> None:
        total = stretch.candles_before(stretch.end_ms)
        progress = Progress(self.stdout.write, str(stretch), total, "candles")
        try:
            for page in audit(rest, stretch, now, self.stopping, repair=self.repair):
                self.report.add(stretch, page, self.repair)
                progress.reached(stretch.candles_before(page.until_ms))
                if self.stopping.is_set():
                    break
        finally:
            progress.close()

    def _fail(self) -> None:
        differing, missing = self.report.left("differing"), self.report.left("missing")
        if self.stopping.is_set():
            raise CommandError("stopped; the table says what was checked", returncode=STOPPED)
        if differing or missing:
            raise CommandError(
                f"differing: {differing:,}, missing: {missing:,}; "
                "--repair takes over what the exchange says"
            )


class Report:
    """What was found so far, a line of the table for each series."""

    def __init__(self) -> None:
        self.counts: dict[Stretch, Counter[str]] = {}
        self.until_ms: dict[Stretch, int] = {}
        self.different = 0
        self.differences: list[str] = []  # the first of them

    def add(self, stretch: Stretch, page: Audited, repaired: bool) -> None:
        self.until_ms[stretch] = page.until_ms
        found = {
            "checked": page.checked,
            "exact": page.exact,
            "repaired": len(page.repaired),
            "differing": len(page.differing),
            "inserted" if repaired else "missing": len(page.missing),
            "not at the exchange": page.not_there,
        }
        self.counts.setdefault(stretch, Counter()).update(found)
        different = {**page.differing, **page.repaired}
        self.different += len(different)
        for open_ms in sorted(different)[: SHOWN - len(self.differences)]:
            told = _told(different[open_ms])
            self.differences.append(f"{stretch} {written(open_ms)}: {told}")

    def left(self, name: str) -> int:
        return sum(counts[name] for counts in self.counts.values())

    def text(self) -> str:
        rows: list[list[str | int]] = [["symbol", "interval", "from", "to", *COUNTS]]
        for stretch, counts in self.counts.items():
            span = written(stretch.start_ms), written(self.until_ms[stretch])
            found = [counts[name] for name in COUNTS]
            rows.append([stretch.symbol.name, stretch.interval, *span, *found])
        lines = [table(rows) if self.counts else "no candles are stored of that time"]
        lines += self.differences
        if self.different > SHOWN:
            lines.append(f"and {self.different - SHOWN:,} more")
        return "\n".join(lines)


def _stretch(symbol: Symbol, interval: str, since_ms: int, until_ms: int) -> Stretch | None:
    """From the first stored candle on: of the time before nothing was ever recorded."""
    begins_ms = series_begins_ms(symbol, interval)
    end_ms = floor_ms(until_ms, INTERVALS_MS[interval])
    if begins_ms is None or max(begins_ms, since_ms) >= end_ms:
        return None
    return Stretch(symbol, interval, max(begins_ms, since_ms), end_ms)


def _told(fields: Differences) -> str:
    return ", ".join(
        f"{name} {ours}, at the exchange {theirs}" for name, (ours, theirs) in fields.items()
    )


def _symbols(name: str | None) -> list[Symbol]:
    if name is None:
        return list(Symbol.objects.followed())
    symbol = Symbol.objects.filter(name=name.upper()).first()
    if symbol is None:
        raise CommandError(f"{name}: no candles are stored of it; see backfill and loadcandles")
    return [symbol]
