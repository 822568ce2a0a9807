"""Recorded trades played again: ids, prices and quantities as they were, times moved to now.

All files move by the same shift: the start of the minute that holds the earliest trade falls
on the next whole minute from now. `speed` compresses what follows, in whole milliseconds.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from io import TextIOWrapper
from pathlib import Path
from re import split
from typing import NamedTuple

from sandbox.clock import MICROSECONDS_FROM, MINUTE_MS, NEVER_MS
from sandbox.data.kline_builder import Chart
from sandbox.data.tape import Print, Trade, printed, runs

EVEN_PART = Decimal("0.00000001")


class BadReplay(Exception):
    """A file that cannot be replayed: which, on what line, and why, in one line of text."""


class Columns(NamedTuple):
    """Where a file keeps what we read; `first_id` to `last_id` are one row's trades."""

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
    "first_id": ("trade_id", "id"),
    "last_id": ("trade_id", "id"),
    "price": ("price",),
    "quantity": ("qty", "quantity"),
    "time": ("trade_time_ms", "time"),
    "buyer_maker": ("is_buyer_maker", "isBuyerMaker"),
}
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Recording:
    """One symbol's prints in order, at the times they were recorded."""

    symbol: str
    prints: list[Print]

    @property
    def first_ms(self) -> int:
        return self.prints[0].agg.time_ms


def symbol_of(path: Path) -> str:
    """The file name's first word: `BTCUSDT-trades-2024.csv.gz` holds BTCUSDT."""
    return split(r"[-_.]", path.name)[0].upper()


def read(paths: Iterable[Path]) -> list[Recording]:
    """One recording per symbol; several files of a symbol are joined in order of time."""
    by_symbol: dict[str, list[list[Print]]] = {}
    for path in paths:
        by_symbol.setdefault(symbol_of(path), []).append(read_file(path))
    return [_joined(symbol, parts) for symbol, parts in by_symbol.items()]


def _joined(symbol: str, parts: list[list[Print]]) -> Recording:
    parts.sort(key=lambda part: part[0].agg.time_ms)
    prints: list[Print] = []
    for part in parts:
        if prints and part[0].agg.first_id <= prints[-1].agg.last_id:
            raise BadReplay(f"{symbol}: the files overlap at trade {part[0].agg.first_id}")
        shift = prints[-1].agg.agg_id + 1 - part[0].agg.agg_id if prints else 0
        prints += [Print(p.agg._replace(agg_id=p.agg.agg_id + shift), p.trades) for p in part]
    return Recording(symbol, prints)


def read_file(path: Path) -> list[Print]:
    """All prints of a CSV file, gzip or not; raises BadReplay."""
    try:
        with _opened(path) as lines:
            prints = list(_prints(path, csv.reader(lines)))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise BadReplay(f"{path}: cannot be read: {error}") from None
    if not prints:
        raise BadReplay(f"{path}: holds no trades")
    return prints


def _opened(path: Path) -> TextIOWrapper:
    with path.open("rb") as start:
        zipped = start.read(2) == b"\x1f\x8b"
    return TextIOWrapper(gzip.open(path) if zipped else path.open("rb"), "utf-8", newline="")


def _prints(path: Path, rows: Iterator[list[str]]) -> Iterator[Print]:
    """Single trades grouped into aggregate trades; rows that are such already, as they are."""
    first = next(rows, None)
    if first is None:
        return
    headed = not first[0].isdigit()
    columns = _named_columns(path, first) if headed else _archive_columns(path, first)
    numbered = _numbered(first, rows, headed)
    if columns.agg_id is not None:
        yield from _recorded_prints(path, columns, columns.agg_id, numbered)
        return
    trades = _trades(path, columns, numbered)
    agg_id = 0
    for run in runs(trades):
        agg_id = agg_id + 1 if agg_id else run[0].trade_id
        yield printed(agg_id, run)


def _numbered(
    first: list[str], rows: Iterator[list[str]], headed: bool
) -> Iterator[tuple[int, list[str]]]:
    if not headed:
        yield 1, first
    yield from ((number, row) for number, row in enumerate(rows, 2) if row)


def _named_columns(path: Path, header: list[str]) -> Columns:
    places = {}
    for field, names in NAMES.items():
        known = [name for name in names if name in header]
        if not known:
            raise BadReplay(f"{path}:1: no column {' or '.join(names)} in {','.join(header)!r}")
        places[field] = header.index(known[0])
    return Columns(**places)


def _archive_columns(path: Path, row: list[str]) -> Columns:
    if len(row) not in ARCHIVES:
        raise BadReplay(f"{path}:1: {len(row)} columns; trades have 7, aggregate trades 8")
    return ARCHIVES[len(row)]


def _trades(path: Path, columns: Columns, rows: Iterator[tuple[int, list[str]]]) -> Iterator[Trade]:
    last_id = last_ms = -1
    for number, row in rows:
        trade = _trade(path, number, columns, row)
        if trade.trade_id <= last_id:
            raise BadReplay(f"{path}:{number}: id {trade.trade_id} does not rise")
        if trade.time_ms < last_ms:
            raise BadReplay(f"{path}:{number}: time {trade.time_ms} lies before the row above")
        last_id, last_ms = trade.trade_id, trade.time_ms
        yield trade


def _recorded_prints(
    path: Path, columns: Columns, agg_place: int, rows: Iterator[tuple[int, list[str]]]
) -> Iterator[Print]:
    """An archive of aggregate trades does not tell the single quantities: they are evened out."""
    for number, row in rows:
        whole = _trade(path, number, columns, row)
        last_id = _integer(path, number, row, columns.last_id)
        agg_id = _integer(path, number, row, agg_place)
        count = last_id - whole.trade_id + 1
        if count < 1:
            raise BadReplay(f"{path}:{number}: last id {last_id} below first id {whole.trade_id}")
        part = whole.quantity / count // EVEN_PART * EVEN_PART
        parts = [part] * (count - 1) + [whole.quantity - part * (count - 1)]
        trades = [
            whole._replace(trade_id=whole.trade_id + place, quantity=quantity)
            for place, quantity in enumerate(parts)
        ]
        yield printed(agg_id, trades)


def _trade(path: Path, number: int, columns: Columns, row: list[str]) -> Trade:
    time = _integer(path, number, row, columns.time)
    return Trade(
        _integer(path, number, row, columns.first_id),
        time // 1000 if time > MICROSECONDS_FROM else time,
        _positive(path, number, row, columns.price),
        _positive(path, number, row, columns.quantity),
        _boolean(path, number, row, columns.buyer_maker),
    )


def _cell(path: Path, number: int, row: list[str], place: int) -> str:
    if place >= len(row):
        raise BadReplay(f"{path}:{number}: {len(row)} columns, too few")
    return row[place]


def _integer(path: Path, number: int, row: list[str], place: int) -> int:
    cell = _cell(path, number, row, place)
    if not (cell.isascii() and cell.isdigit()):
        raise BadReplay(f"{path}:{number}: {cell!r} is not a whole number")
    return int(cell)


def _positive(path: Path, number: int, row: list[str], place: int) -> Decimal:
    cell = _cell(path, number, row, place)
    try:
        value = Decimal(cell)
    except InvalidOperation:
        raise BadReplay(f"{path}:{number}: {cell!r} is not a number") from None
    if not (value.is_finite() and value > 0):
        raise BadReplay(f"{path}:{number}: {cell!r} is not above zero")
    return value


def _boolean(path: Path, number: int, row: list[str], place: int) -> bool:
    cell = _cell(path, number, row, place)
    if cell.lower() not in BOOLEANS:
        raise BadReplay(f"{path}:{number}: {cell!r} is neither true nor false")
    return BOOLEANS[cell.lower()]


@dataclass(frozen=True, slots=True)
class Shift:
    """Recorded time to time played: `base_ms + (time - from_ms) / speed`, floored."""

    from_ms: int
    base_ms: int
    speed: Fraction

    def __call__(self, time_ms: int) -> int:
        past = (time_ms - self.from_ms) * self.speed.denominator
        return self.base_ms + past // self.speed.numerator


def shift_of(recordings: list[Recording], now_ms: int, speed: Fraction) -> Shift:
    earliest = min(recording.first_ms for recording in recordings)
    next_minute = (now_ms // MINUTE_MS + 1) * MINUTE_MS
    return Shift(earliest // MINUTE_MS * MINUTE_MS, next_minute, speed)


class Player:
    """A recording as a source of trades."""

    def __init__(self, recording: Recording, shift: Shift) -> None:
        self.prints = recording.prints
        self.shift = shift
        self.place = 0

    @property
    def due_ms(self) -> int:
        if self.place == len(self.prints):
            return NEVER_MS
        return self.shift(self.prints[self.place].agg.time_ms)

    def history(self, chart: Chart) -> None:
        """There is none before the first recorded trade, as after a testnet reset."""

    def take(self, now_ms: int) -> Iterator[Print]:
        while (time_ms := self.due_ms) <= now_ms:
            agg, trades = self.prints[self.place]
            self.place += 1
            moved = [trade._replace(time_ms=time_ms) for trade in trades]
            yield Print(agg._replace(time_ms=time_ms), moved)
