"""`manage.py auditcandles`: stored candles compared with the exchange's own."""

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from itertools import product
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from candles.comparison import Differences
from candles.history.audit import AuditPage, audit
from candles.history.backfill import SeriesSpan
from candles.history.progress import Progress
from candles.intervals import HOUR_MS, INTERVALS_MS, floor_ms
from candles.management import arguments
from candles.management.exchange import STOPPED, exchange_session
from candles.management.output import table, time_text
from candles.models import Candle
from foundation.times import to_time
from market.failures import Refused
from market.models import Symbol
from market.rest import MarketRest, market_rest
from market.services import UNKNOWN_SYMBOL_CODES
from market.wire.bounds import BadFrame

RECORDED_MS = 10_000  # after its end a candle is here, and the exchange's no longer changes
DAY_MS = 24 * HOUR_MS
MAX_SHOWN = 20  # differences that are named one by one
COUNTS = (
    "checked", "exact", "repaired", "differing", "inserted", "missing", "not at the exchange",
)  # fmt: skip


class Command(BaseCommand):
    help = (
        "Compare stored candles with the exchange's klines. Equal ones become exact; nothing else "
        "changes without --repair. Ends with 1 where something differs or is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "symbol",
            type=arguments.symbol_name,
            metavar="SYMBOL",
            nargs="?",
            help="by default all that are followed",
        )
        parser.add_argument(
            "--interval", type=arguments.interval, help="by default all that there are candles of"
        )
        parser.add_argument(
            "--since", type=arguments.utc_time, help="a date or time in UTC; by default a day ago"
        )
        parser.add_argument("--until", type=arguments.utc_time, help="likewise; by default now")
        parser.add_argument(
            "--repair", action="store_true", help="take over what the exchange says"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        intervals = [options["interval"]] if options["interval"] else list(INTERVALS_MS)
        since: int | None = options["since"]
        until: int | None = options["until"]
        symbols = _symbols(options["symbol"])
        self.repair: bool = options["repair"]
        self.report, self.refused = Report(), list[str]()
        with exchange_session() as self.stopping:
            rest = market_rest().in_background(self.stopping)
            now_ms = rest.server_time()
            until_ms = now_ms - RECORDED_MS if until is None else min(until, now_ms - RECORDED_MS)
            since_ms = until_ms - DAY_MS if since is None else since
            try:
                for symbol, interval in product(symbols, intervals):
                    span = _series_span(symbol, interval, since_ms, until_ms)
                    if span is not None and not self.stopping.is_set():
                        self._audit_known(rest, span, to_time(now_ms))
            finally:
                self.stdout.write("\n".join([self.report.text(), *self.refused]))
        self._fail()

    def _audit_known(self, rest: MarketRest, span: SeriesSpan, now: datetime) -> None:
        """Audit one series; one that the exchange refuses or garbles is told, the others go on."""
        try:
            self._audit(rest, span, now)
        except Refused as error:
            known = f"the exchange refused: {error}"
            if error.code in UNKNOWN_SYMBOL_CODES:
                known = f"the exchange no longer knows {span.symbol} ({error}); unfollow it"
            self.refused.append(f"{span}: {known}")
        except BadFrame as error:
            self.refused.append(f"{span}: its answer cannot be used: {error}")

    def _audit(self, rest: MarketRest, span: SeriesSpan, now: datetime) -> None:
        total = span.candles_before(span.end_ms)
        progress = Progress(self.stdout.write, str(span), total, "candles")
        try:
            for page in audit(rest, span, now, self.stopping, repair=self.repair):
                self.report.count(span, page, self.repair)
                progress.show(span.candles_before(page.until_ms))
                if self.stopping.is_set():
                    break
        finally:
            progress.close()

    def _fail(self) -> None:
        differing, missing = self.report.left("differing"), self.report.left("missing")
        if self.stopping.is_set():
            raise CommandError("stopped; the table says what was checked", returncode=STOPPED)
        if self.refused:
            raise CommandError(f"{len(self.refused)} series could not be audited, see above")
        if differing or missing:
            raise CommandError(
                f"differing: {differing:,}, missing: {missing:,}; "
                "--repair takes over what the exchange says"
            )


class Report:
    """Findings so far, a line of the table for each series."""

    def __init__(self) -> None:
        self.counts: dict[SeriesSpan, Counter[str]] = {}
        self.until_ms: dict[SeriesSpan, int] = {}
        self.different = 0
        self.differences: list[str] = []  # the first of them

    def count(self, span: SeriesSpan, page: AuditPage, repaired: bool) -> None:
        self.until_ms[span] = page.until_ms
        found = {
            "checked": page.checked,
            "exact": page.exact,
            "repaired": len(page.repaired),
            "differing": len(page.differing),
            "inserted" if repaired else "missing": len(page.missing),
            "not at the exchange": page.not_there,
        }
        self.counts.setdefault(span, Counter()).update(found)
        different = {**page.differing, **page.repaired}
        self.different += len(different)
        for open_ms in sorted(different)[: MAX_SHOWN - len(self.differences)]:
            fields = _in_words(different[open_ms])
            self.differences.append(f"{span} {time_text(open_ms)}: {fields}")

    def left(self, name: str) -> int:
        return sum(counts[name] for counts in self.counts.values())

    def text(self) -> str:
        rows: list[list[str | int]] = [["symbol", "interval", "from", "to", *COUNTS]]
        for span, counts in self.counts.items():
            times = time_text(span.start_ms), time_text(self.until_ms[span])
            found = [counts[name] for name in COUNTS]
            rows.append([span.symbol.name, span.interval, *times, *found])
        lines = [table(rows) if self.counts else "no candles are stored of that time"]
        lines += self.differences
        if self.different > MAX_SHOWN:
            lines.append(f"and {self.different - MAX_SHOWN:,} more")
        return "\n".join(lines)


def _series_span(symbol: Symbol, interval: str, since_ms: int, until_ms: int) -> SeriesSpan | None:
    """From the first stored candle on: of the time before nothing was ever recorded."""
    begins_ms = Candle.objects.series(symbol, interval).first_open_ms()
    end_ms = floor_ms(until_ms, INTERVALS_MS[interval])
    if begins_ms is None or max(begins_ms, since_ms) >= end_ms:
        return None
    return SeriesSpan(symbol, interval, max(begins_ms, since_ms), end_ms)


def _in_words(fields: Differences) -> str:
    return ", ".join(
        f"{name} {ours}, at the exchange {theirs}" for name, (ours, theirs) in fields.items()
    )


def _symbols(name: str | None) -> list[Symbol]:
    if name is None:
        return list(Symbol.objects.followed())
    symbol = Symbol.objects.filter(name=name).first()
    if symbol is None:
        raise CommandError(f"{name}: no candles are stored of it; see backfill and loadcandles")
    return [symbol]
