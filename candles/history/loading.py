"""Archives of past klines written down, with a report of everything irregular in them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from candles.comparison import FIELDS
from candles.history.archives import Archive, ArchiveRow, BadArchive, BadArchiveRow
from candles.intervals import INTERVALS_MS
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV
from candles.services.recording import MAX_PAGE_ROWS, batched, insert_history
from candles.spans import Spans
from foundation.times import to_ms, to_time
from market.models import Symbol

IN_EVERY_FILE = FIELDS[:5]  # prices and volume
LACKING = FIELDS[5:]  # in a file of six columns
MAX_SHOWN = 20  # bad rows that a report names one by one


@dataclass
class LoadReport:
    """Report on a file, counted in rows. Times are open times in ms."""

    rows: int = 0
    new: int = 0
    stored: int = 0  # before, with the same numbers
    stored_otherwise: int = 0  # before, with other numbers, which stay
    off_boundary: int = 0  # opened between multiples of the interval
    without_volume: int = 0
    duplicates: int = 0  # of an earlier row of the file, which stands
    out_of_order: int = 0
    unreadable: int = 0
    bad_rows: list[BadArchiveRow] = field(default_factory=list)  # the first of those
    missing: int = 0  # whole intervals between the end of a kline and the next one's open
    gaps: int = 0  # the stretches that these make
    first_ms: int | None = None
    last_ms: int | None = None
    damage: str | None = None  # why the rest of the file could not be read

    def reject(self, line: int, reason: str) -> None:
        self.unreadable += 1
        if len(self.bad_rows) < MAX_SHOWN:
            self.bad_rows.append(BadArchiveRow(line, reason))


def load_archive(
    archive: Archive, symbol: Symbol, now_ms: int, on_page: Callable[[], None]
) -> LoadReport:
    """Write down an archive's candles; those that stand already stay as they are.

    With all columns they are the exchange's own and exact. Each page is committed on its own, and
    `on_page` called after it.
    """
    report = LoadReport()
    for page in batched(_candles(archive, now_ms, report), MAX_PAGE_ROWS):
        for complete in (True, False):
            candles = [row.candle for row in page if row.complete is complete]
            _write(symbol, archive.interval, candles, complete, report)
        on_page()
    return report


def _candles(archive: Archive, now_ms: int, report: LoadReport) -> Iterator[ArchiveRow]:
    """The rows that are closed candles, each once; everything that is odd is counted."""
    interval_ms = INTERVALS_MS[archive.interval]
    covered = Spans(near=interval_ms)
    seen: dict[int, Spans] = defaultdict(lambda: Spans(near=1))  # by distance from the boundary
    for row in _readable(archive, report):
        open_ms, end_ms = row.candle.open_ms, row.candle.end_ms
        if end_ms > now_ms:
            report.reject(row.line, f"not closed before {to_time(end_ms):%Y-%m-%d %H:%M:%S}")
        elif row.length_ms and row.length_ms > interval_ms:
            report.reject(row.line, f"lasts {row.length_ms} ms, longer than {archive.interval}")
        elif not seen[open_ms % interval_ms].cover(open_ms, end_ms):
            report.duplicates += 1
        else:
            covered.cover(open_ms, end_ms)
            report.off_boundary += open_ms % interval_ms != 0
            report.without_volume += not row.candle.volume
            report.out_of_order += open_ms < (report.last_ms or 0)
            report.last_ms = max(open_ms, report.last_ms or 0)
            yield row
    gaps = covered.gaps()
    report.gaps, report.missing = (
        len(gaps),
        sum((end - start) // interval_ms for start, end in gaps),
    )
    report.first_ms = covered.starts[0] if covered.starts else None


def _readable(archive: Archive, report: LoadReport) -> Iterator[ArchiveRow]:
    try:
        for row in archive.rows():
            report.rows += 1
            if isinstance(row, BadArchiveRow):
                report.reject(*row)
            else:
                yield row
    except BadArchive as error:  # what was read until then is kept
        report.damage = str(error)


def _write(
    symbol: Symbol, interval: str, candles: Sequence[OHLCV], complete: bool, report: LoadReport
) -> None:
    names = FIELDS if complete else IN_EVERY_FILE
    rows = Candle.objects.series(symbol, interval).opening_at(one.open_ms for one in candles)
    stored = {to_ms(time): values for time, *values in rows.values_list("open_time", *names)}
    for candle in candles:
        if (ours := stored.get(candle.open_ms)) is not None:
            same = all(
                mine in (None, getattr(candle, name))
                for name, mine in zip(names, ours, strict=True)
            )
            report.stored += same
            report.stored_otherwise += not same
    new = [candle for candle in candles if candle.open_ms not in stored]
    verdict = Verdict.EXACT if complete else Verdict.UNVERIFIED
    insert_history(symbol, interval, new, verdict, unknown=() if complete else LACKING)
    report.new += len(new)
