"""Files of recorded trades: Binance's public archives, or CSV, with a header or without."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from re import split
from typing import Any, NamedTuple

from sandbox.clock import MIN_MICROSECONDS
from sandbox.data.tape import Trade, TradeGroup, group_trades, split_runs

QUANTITY_STEP = Decimal("0.00000001")
# The exchange itself prints trades whose time lies a little before that of the one above.
MAX_STEP_BACK_MS = 60_000


class BadRecording(Exception):
    """A file that cannot be replayed: which, on what line, and why, in one line of text."""


class Columns(NamedTuple):
    """The places of what we read in a file's rows; a row's trades are `first_id` to `last_id`."""

    first_id: int
    last_id: int
    price: int
    quantity: int
    time: int
    buyer_maker: int
    agg_id: int | None = None


ARCHIVED_TRADES = Columns(0, 0, 1, 2, 4, 5)  # id price qty quoteQty time isBuyerMaker isBestMatch
ARCHIVED_AGG_TRADES = Columns(3, 4, 1, 2, 5, 6, agg_id=0)  # a p q f l T m M
ARCHIVES = {7: ARCHIVED_TRADES, 8: ARCHIVED_AGG_TRADES}
NAMES = {
    "first_id": ("trade_id", "id", "first_trade_id", "f"),
    "last_id": ("trade_id", "id", "last_trade_id", "l"),
    "price": ("price", "p"),
    "quantity": ("qty", "quantity", "q"),
    "time": ("trade_time_ms", "time", "transact_time", "T"),
    "buyer_maker": ("is_buyer_maker", "isBuyerMaker", "m"),
}
AGG_NAMES = ("agg_trade_id", "aggTradeId", "a")
BROKEN_ARCHIVE = (zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Recording:
    """One symbol's aggregate trades in order, at the times they were recorded."""

    symbol: str
    groups: list[TradeGroup]

    @property
    def first_ms(self) -> int:
        return min(group.agg.time_ms for group in self.groups)


class Row(NamedTuple):
    """One line of a file; its cells are read by their column. Raises BadRecording."""

    path: Path
    number: int
    cells: list[str]

    def error(self, reason: str) -> BadRecording:
        return BadRecording(f"{self.path}:{self.number}: {reason}")

    def text(self, column: int) -> str:
        if column >= len(self.cells):
            raise self.error(f"{len(self.cells)} columns, too few")
        return self.cells[column]

    def integer(self, column: int) -> int:
        cell = self.text(column)
        if not (cell.isascii() and cell.isdigit()):
            raise self.error(f"{cell!r} is not a whole number")
        return int(cell)

    def positive(self, column: int) -> Decimal:
        cell = self.text(column)
        try:
            value = Decimal(cell)
        except InvalidOperation:
            raise self.error(f"{cell!r} is not a number") from None
        if not (value.is_finite() and value > 0):
            raise self.error(f"{cell!r} is not above zero")
        return value

    def boolean(self, column: int) -> bool:
        cell = self.text(column)
        if cell.lower() not in BOOLEANS:
            raise self.error(f"{cell!r} is neither true nor false")
        return BOOLEANS[cell.lower()]


def symbol_of(path: Path) -> str:
    """The file name's first word: `BTCUSDT-trades-2024.csv.gz` holds BTCUSDT."""
    return split(r"[-_.]", path.name)[0].upper()


def read_recordings(paths: Iterable[Path]) -> list[Recording]:
    """One recording per symbol; several files of a symbol are joined in order of time."""
    by_symbol: dict[str, list[list[TradeGroup]]] = {}
    for path in paths:
        by_symbol.setdefault(symbol_of(path), []).append(read_file(path))
    return [_join(symbol, parts) for symbol, parts in by_symbol.items()]


def _join(symbol: str, parts: list[list[TradeGroup]]) -> Recording:
    parts.sort(key=lambda part: part[0].agg.time_ms)
    groups: list[TradeGroup] = []
    for part in parts:
        if groups and part[0].agg.first_id <= groups[-1].agg.last_id:
            raise BadRecording(f"{symbol}: the files overlap at trade {part[0].agg.first_id}")
        shift = groups[-1].agg.agg_id + 1 - part[0].agg.agg_id if groups else 0
        groups += [TradeGroup(g.agg._replace(agg_id=g.agg.agg_id + shift), g.trades) for g in part]
    return Recording(symbol, groups)


def read_file(path: Path) -> list[TradeGroup]:
    """All aggregate trades of a CSV file, plain, gzip or zip; raises BadRecording."""
    try:
        with _open(path) as lines:
            groups = list(_read_groups(path, csv.reader(lines)))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, *BROKEN_ARCHIVE) as error:
        raise BadRecording(f"{path}: cannot be read: {error}") from None
    if not groups:
        raise BadRecording(f"{path}: holds no trades")
    return groups


def _open(path: Path) -> TextIOWrapper:
    with path.open("rb") as start:
        magic = start.read(4)
    return TextIOWrapper(_unpacked(path, magic), "utf-8-sig", newline="")


def _unpacked(path: Path, magic: bytes) -> Any:
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if not magic.startswith(b"PK"):
        return path.open("rb")
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if name.endswith(".csv")]
    if len(names) != 1:
        raise BadRecording(f"{path}: {len(names)} CSV files in it; one is wanted")
    return archive.open(names[0])


def _read_groups(path: Path, lines: Iterator[list[str]]) -> Iterator[TradeGroup]:
    """Single trades grouped into aggregate trades; rows that are such already, as they are."""
    first = next(lines, None)
    if first is None:
        return
    has_header = not first[0].isdigit()
    columns = _header_columns(path, first) if has_header else _archive_columns(path, first)
    rows = _rows(path, [] if has_header else first, lines)
    if columns.agg_id is not None:
        yield from _read_agg_trades(columns, columns.agg_id, rows)
        return
    agg_id = 0
    for run in split_runs(_read_trades(columns, rows)):
        agg_id = agg_id + 1 if agg_id else run[0].trade_id
        yield group_trades(agg_id, run)


def _rows(path: Path, first: list[str], lines: Iterator[list[str]]) -> Iterator[Row]:
    """All lines that are not empty, numbered from 1."""
    for number, cells in enumerate(chain([first], lines), 1):
        if cells:
            yield Row(path, number, cells)


def _header_columns(path: Path, header: list[str]) -> Columns:
    columns = {}
    for field, names in NAMES.items():
        known = [name for name in names if name in header]
        if not known:
            raise BadRecording(f"{path}:1: no column {' or '.join(names)} in {','.join(header)!r}")
        columns[field] = header.index(known[0])
    agg_id = next((header.index(name) for name in AGG_NAMES if name in header), None)
    return Columns(**columns, agg_id=agg_id)


def _archive_columns(path: Path, row: list[str]) -> Columns:
    if len(row) not in ARCHIVES:
        raise BadRecording(f"{path}:1: {len(row)} columns; trades have 7, aggregate trades 8")
    return ARCHIVES[len(row)]


def _read_trades(columns: Columns, rows: Iterator[Row]) -> Iterator[Trade]:
    last_id = last_ms = -1
    for row in rows:
        trade = _parse_trade(columns, row)
        if trade.trade_id <= last_id:
            raise row.error(f"id {trade.trade_id} does not rise")
        _check_time(row, trade.time_ms, last_ms)
        last_id, last_ms = trade.trade_id, trade.time_ms
        yield trade


def _check_time(row: Row, time_ms: int, last_ms: int) -> None:
    if time_ms < last_ms - MAX_STEP_BACK_MS:
        raise row.error(f"time {time_ms} lies {(last_ms - time_ms) // 1000} s before the row above")


def _read_agg_trades(
    columns: Columns, agg_column: int, rows: Iterator[Row]
) -> Iterator[TradeGroup]:
    """An archive of aggregate trades does not tell the single quantities: they are evened out."""
    last_agg_id = last_ms = -1
    for row in rows:
        whole, last_id = _parse_trade(columns, row), row.integer(columns.last_id)
        agg_id = row.integer(agg_column)
        if agg_id <= last_agg_id:
            raise row.error(f"id {agg_id} does not rise")
        _check_time(row, whole.time_ms, last_ms)
        last_agg_id, last_ms = agg_id, whole.time_ms
        count = last_id - whole.trade_id + 1
        if count < 1:
            raise row.error(f"last id {last_id} below first id {whole.trade_id}")
        part = whole.quantity / count // QUANTITY_STEP * QUANTITY_STEP
        parts = [part] * (count - 1) + [whole.quantity - part * (count - 1)]
        trades = [
            whole._replace(trade_id=trade_id, quantity=quantity)
            for trade_id, quantity in enumerate(parts, whole.trade_id)
        ]
        yield group_trades(agg_id, trades)


def _parse_trade(columns: Columns, row: Row) -> Trade:
    time = row.integer(columns.time)
    return Trade(
        row.integer(columns.first_id),
        time // 1000 if time > MIN_MICROSECONDS else time,
        row.positive(columns.price),
        row.positive(columns.quantity),
        row.boolean(columns.buyer_maker),
    )
