"""Files of past klines, read row by row: Binance's public archives, or of six columns alone.

Source: Binance Public Data, "Klines": no header as a rule, twelve columns, times in milliseconds
and for spot since 2025 in microseconds. A file is named for what it holds:
BTCUSDT-1m-2024-01.zip. Six columns (open time to volume) are read as well.
"""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from msgspec.structs import replace

from candles.intervals import INTERVALS_MS, NAMES
from candles.ohlcv import OHLCV
from foundation.decimals import MAX_PLACES, MAX_WHOLE_DIGITS

NAME = re.compile(r"(?P<symbol>[^-]+)-(?P<interval>[^-]+)-.*\.(csv|csv\.gz|zip)")
HEADER = re.compile(r"open[ _]?time", re.IGNORECASE)
# No more digits than amounts from anywhere may have.
AMOUNT = rf"\d{{1,{MAX_WHOLE_DIGITS}}}(?:\.\d{{1,{MAX_PLACES}}})?"
COUNT = r"\d{1,9}"
TIME = r"\d{1,16}"
_SIX = rf"({TIME})" + rf",({AMOUNT})" * 5
SIX = re.compile(_SIX, re.ASCII)
TWELVE = re.compile(rf"{_SIX},({TIME}),({AMOUNT}),({COUNT}),({AMOUNT}),({AMOUNT}),[^,]*", re.ASCII)
COLUMNS = (
    "open time", "open", "high", "low", "close", "volume", "close time", "quote volume", "trades",
    "taker volume", "taker quote volume",
)  # fmt: skip
PATTERNS = {"open time": TIME, "close time": TIME, "trades": COUNT}  # of the others AMOUNT
MAX_LINE = 1_000  # characters
MAX_UNPACKED_BYTES = 1 << 33  # a year of 1s klines has five billion
FIRST_ROWS = 3  # by which the interval is told
MILLISECONDS = range(10**12, 10**13)  # the years 2001 to 2286
MICROSECONDS = range(10**15, 10**16)


class BadArchive(Exception):
    """A file, or the rest of it, that cannot be read. Its text is one line."""


class ArchiveRow(NamedTuple):
    """A kline of a file; not `complete` where quote volume, trades and takers are unknown.

    `length_ms` is from its open time to its close time, where the file tells that.
    """

    line: int
    candle: OHLCV
    complete: bool
    length_ms: int | None = None


class BadArchiveRow(NamedTuple):
    """A line that is no kline, and why."""

    line: int
    reason: str


class Archive:
    """One file; its name says symbol and interval. Raises BadArchive.

    `size` and `position` count bytes as they lie on the disk.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BadArchive(f"{path}: there is no such file")
        named = NAME.fullmatch(path.name)
        if named is None:
            raise BadArchive(f"{path}: give it a name like BTCUSDT-1m-2024-01.zip (.csv, .csv.gz)")
        self.path = path
        self.size = path.stat().st_size
        self.symbol: str = named["symbol"].upper()
        self.interval: str = named["interval"]
        if self.interval not in INTERVALS_MS:
            known = ", ".join(INTERVALS_MS)
            raise BadArchive(f"{path}: no candles of {self.interval} are kept, only of {known}")
        self._file: IO[bytes] | None = None

    def position(self) -> int:
        return 0 if self._file is None else self._file.tell()

    def rows(self) -> Iterator[ArchiveRow | BadArchiveRow]:
        """Every line that is not a header or empty, in the file's order.

        Raises BadArchive, before the first row, where the close times are of another interval.
        """
        rows = self._rows()
        first = list(islice(rows, FIRST_ROWS))
        self._check_interval(first)
        return chain(first, rows)

    def _check_interval(self, rows: Sequence[ArchiveRow | BadArchiveRow]) -> None:
        lengths = {row.length_ms for row in rows if isinstance(row, ArchiveRow) and row.length_ms}
        if len(lengths) != 1 or lengths == {INTERVALS_MS[self.interval]}:
            return  # a few old klines are cut short
        (length_ms,) = lengths
        theirs = NAMES.get(length_ms, f"{length_ms} ms")
        raise BadArchive(
            f"{self.path}: named {self.interval}, but its close times are of {theirs}; name it for"
            " what it holds"
        )

    def _rows(self) -> Iterator[ArchiveRow | BadArchiveRow]:
        interval_ms = INTERVALS_MS[self.interval]
        number = 0
        try:
            with self.path.open("rb") as self._file, self._text(self._file) as lines:
                for number, line in enumerate(iter(partial(lines.readline, MAX_LINE + 1), ""), 1):
                    if len(line) > MAX_LINE:
                        raise BadArchive(f"{self.path}: line {number} has no end; is it a CSV?")
                    text = line.rstrip("\r\n")
                    if text and not (number == 1 and HEADER.match(text)):
                        yield _row(number, text, interval_ms)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise BadArchive(
                f"{self.path}: damaged after line {number}: {error}; remove it and fetch it again,"
                " or let backfill ask for those candles"
            ) from error
        finally:
            self._file = None

    def _text(self, file: IO[bytes]) -> IO[str]:
        """The lines, unpacked. What is no UTF-8 becomes a bad row, not the end of the file."""
        raw: Any = file
        if self.path.suffix == ".gz":
            raw = gzip.GzipFile(fileobj=file)
        elif self.path.suffix == ".zip":
            raw = self._member(zipfile.ZipFile(file))
        return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="\n")

    def _member(self, archive: zipfile.ZipFile) -> IO[bytes]:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise BadArchive(f"{self.path}: {len(names)} CSV files in it; one is wanted")
        if archive.getinfo(names[0]).file_size > MAX_UNPACKED_BYTES:
            raise BadArchive(f"{self.path}: unpacks to over {MAX_UNPACKED_BYTES:,} bytes")
        return archive.open(names[0])  # which reads no more than that size


def _row(line: int, text: str, interval_ms: int) -> ArchiveRow | BadArchiveRow:
    found = TWELVE.fullmatch(text) or SIX.fullmatch(text)
    if found is None:
        return BadArchiveRow(line, _fault(text))
    time, first, high, low, last, volume, *more = found.groups()
    open_ms = _milliseconds(time)
    if open_ms is None:
        return BadArchiveRow(line, f"open time {time} is neither milliseconds nor microseconds")
    opened, highest, lowest, closed = Decimal(first), Decimal(high), Decimal(low), Decimal(last)
    if not lowest <= min(opened, closed) <= max(opened, closed) <= highest:
        return BadArchiveRow(
            line, f"prices {', '.join(found.groups()[1:5])} are not all between low and high"
        )
    if not lowest:
        return BadArchiveRow(line, "low is 0, which is no price")
    candle = OHLCV(open_ms, interval_ms, opened, highest, lowest, closed, Decimal(volume))
    if not more:
        return ArchiveRow(line, candle, complete=False)
    close_time, quote, trades, taker, taker_quote = more
    close_ms = _milliseconds(close_time)
    if close_ms is None or not 0 <= close_ms - open_ms < max(INTERVALS_MS.values()):
        return BadArchiveRow(line, f"close time {close_time} does not fit open time {time}")
    totals = {
        "quote_volume": Decimal(quote),
        "trades": int(trades),
        "taker_volume": Decimal(taker),
        "taker_quote_volume": Decimal(taker_quote),
    }
    length_ms = close_ms + 1 - open_ms
    return ArchiveRow(line, replace(candle, **totals), complete=True, length_ms=length_ms)


def _milliseconds(time: str) -> int | None:
    """A time of milliseconds or microseconds in milliseconds; None for one that is neither."""
    value = int(time)
    if value in MICROSECONDS:
        return value // 1000
    return value if value in MILLISECONDS else None


def _fault(text: str) -> str:
    cells = text.split(",")
    if len(cells) not in {6, 12}:
        return f"{len(cells)} columns instead of 6 or 12"
    for name, cell in zip(COLUMNS, cells, strict=False):
        if not re.fullmatch(PATTERNS.get(name, AMOUNT), cell, re.ASCII):
            return f"{name} is {cell[:40]!r}"
    return f"not a kline: {text[:80]!r}"
