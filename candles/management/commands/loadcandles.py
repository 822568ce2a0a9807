"""`manage.py loadcandles`: files of past klines, at hand or fetched, into the database."""

import re
import threading
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from candles.history.archives import Archive, BadArchive
from candles.history.loading import LoadReport, load_archive
from candles.history.progress import Progress
from candles.history.public_archives import BadPeriod, PublicArchives, periods
from candles.management import arguments
from candles.management.exchange import STOPPED, stop_on_signal
from candles.management.output import table
from foundation.times import now_ms, to_time
from market.downloads import DownloadFailed, FileServer, NoConnection, NoSuchFile
from market.rest import MarketRest, market_rest
from market.services import UnknownSymbol, symbol_of_records

EXAMPLE = "like loadcandles BTCUSDT 2024 2025-01 2025-02-03"
SYMBOL = re.compile(r"\w{2,30}")
USAGE = 2  # a shell's word for arguments that cannot be used
MAX_SHOWN = 12  # files that are not there


class Command(BaseCommand):
    help = (
        "Load files of past klines: Binance's public archives (BTCUSDT-1m-2024-01.zip) and CSV "
        "files named likewise. Given a symbol and years, months or days instead, the archives are "
        "fetched, verified and kept first. What is stored already stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "words",
            nargs="+",
            metavar="FILE | SYMBOL PERIOD",
            help=f".zip, .csv or .csv.gz; or a symbol and periods {EXAMPLE}",
        )
        parser.add_argument(
            "--interval", type=arguments.interval, help="of what is fetched, by default 1m"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        words, interval = options["words"], options["interval"]
        with stop_on_signal() as stopping:
            if not _is_file(words[0]):
                self._load_all(self._fetched(words, interval or "1m", stopping), stopping)
            elif interval is None:
                self._load_all(map(Path, words), stopping)
            else:
                text = "--interval goes with a symbol: a file's name says its own"
                raise CommandError(text, returncode=USAGE)

    def _load_all(self, found: Iterable[Path | DownloadFailed], stopping: threading.Event) -> None:
        rest = market_rest().in_background()
        failed, missing = list[bool](), list[NoSuchFile]()
        for one in found:
            if isinstance(one, Path):
                failed.append(not self._load(one, rest, stopping))
            elif isinstance(one, NoSuchFile):
                missing.append(one)
            else:
                self.stderr.write(str(one))
                failed.append(True)
            if stopping.is_set():
                raise CommandError("stopped; the same command goes on", returncode=STOPPED)
        if missing:
            self.stderr.write(_absent(missing))
        count, total = sum(failed) + len(missing), len(failed) + len(missing)
        if count:
            raise CommandError(f"{count} of {total} files could not be read as a whole, see above")

    def _fetched(
        self, words: Sequence[str], interval: str, stopping: threading.Event
    ) -> Iterator[Path | DownloadFailed]:
        """The public archives of a symbol's periods, each as soon as it is there."""
        symbol, today = words[0].upper(), to_time(now_ms()).date()
        try:
            wanted = dict.fromkeys(one for text in words[1:] for one in periods(text, today))
        except BadPeriod as error:
            raise CommandError(str(error), returncode=USAGE) from None
        if not SYMBOL.fullmatch(symbol) or not wanted:
            text = f"give files, or a symbol and years, months or days, {EXAMPLE}"
            raise CommandError(text, returncode=USAGE)
        progress: dict[str, Progress] = {}

        def on_bytes(name: str, done: int, total: int) -> None:
            if name not in progress:
                progress[name] = Progress(self.stdout.write, f"{name} (fetching)", total, "bytes")
            progress[name].show(done)
            if done == total:
                progress.pop(name).close()
            if stopping.is_set():
                text = f"stopped while fetching {name}; the same command goes on from there"
                raise CommandError(text, returncode=STOPPED)

        folder = settings.VAR_DIR / "archives"
        server = FileServer(settings.BINANCE_ARCHIVES_URL, stopping)
        archives = PublicArchives(server, folder, symbol, interval, on_bytes)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for period in wanted:
                yield from archives.fetch(period, today)
        except NoConnection as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(
                f"{folder} can't be written to: {error.strerror}; mend that"
            ) from None
        finally:
            for one in progress.values():
                one.close()

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


def _is_file(word: str) -> bool:
    return "." in word or "/" in word or Path(word).is_file()


def _absent(missing: Sequence[NoSuchFile]) -> str:
    shown = ", ".join(str(one) for one in missing[:MAX_SHOWN])
    more = f" and {len(missing) - MAX_SHOWN:,} more" if len(missing) > MAX_SHOWN else ""
    return (
        f"{settings.BINANCE_ARCHIVES_URL} has no {shown}{more} (yet): check the symbol and when it"
        " was traded"
    )
