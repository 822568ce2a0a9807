"""`manage.py loadcandles`: files of past klines into the database."""

import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from candles.history.archives import Archive, BadArchive
from candles.history.loading import LoadReport, load_archive
from candles.history.progress import Progress
from candles.management.exchange import STOPPED, stop_on_signal
from candles.management.output import table
from foundation.times import now_ms, to_time
from market.rest import MarketRest, market_rest
from market.services import UnknownSymbol, symbol_of_records


class Command(BaseCommand):
    help = (
        "Load files of past klines: Binance's public archives (BTCUSDT-1m-2024-01.zip) and CSV "
        "files named likewise. What is stored already stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", type=Path, nargs="+", metavar="FILE", help=".zip, .csv or .csv.gz"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rest = market_rest().in_background()
        failed = 0
        with stop_on_signal() as stopping:
            for path in options["files"]:
                failed += not self._load(path, rest, stopping)
        if failed:
            total = len(options["files"])
            raise CommandError(f"{failed} of {total} files could not be read as a whole, see above")

    def _load(self, path: Path, rest: MarketRest, stopping: threading.Event) -> bool:
        """Load one file and print a report; False where not all of it could be read."""
        try:
            archive = Archive(path)
            symbol = symbol_of_records(archive.symbol, rest)
        except BadArchive as error:
            self.stderr.write(str(error))
            return False
        except UnknownSymbol as error:
            self.stderr.write(f"{path}: {error}, nor does its name end in a known quote asset")
            return False
        progress = Progress(self.stdout.write, path.name, archive.size, "bytes")

        def on_page() -> None:
            progress.show(archive.position())
            if stopping.is_set():
                text = f"stopped within {path}; what was read is stored, load it again to go on"
                raise CommandError(text, returncode=STOPPED)

        try:
            report = load_archive(archive, symbol, now_ms(), on_page)
        finally:
            progress.close()
        self._print(archive, report)
        return not (report.unreadable or report.damage)

    def _print(self, archive: Archive, report: LoadReport) -> None:
        self.stdout.write(f"{archive.path}: {archive.symbol} {archive.interval}{_range(report)}")
        counts: list[tuple[str, int]] = [
            ("  rows", report.rows),
            ("  new", report.new),
            ("  stored before", report.stored),
            ("  stored with other numbers", report.stored_otherwise),
            ("  off the boundary", report.off_boundary),
            ("  without volume", report.without_volume),
            ("  missing", report.missing),
            ("  gaps", report.gaps),
            ("  duplicates", report.duplicates),
            ("  out of order", report.out_of_order),
            ("  unreadable", report.unreadable),
        ]
        self.stdout.write(table(counts))
        for line, reason in report.bad_rows:
            self.stdout.write(f"  line {line}: {reason}")
        if report.unreadable > len(report.bad_rows):
            self.stdout.write(f"  and {report.unreadable - len(report.bad_rows):,} more")
        if report.damage:
            self.stderr.write(report.damage)


def _range(report: LoadReport) -> str:
    if report.first_ms is None or report.last_ms is None:
        return ""
    first, last = to_time(report.first_ms), to_time(report.last_ms)
    return f", {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}"
