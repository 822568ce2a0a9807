"""The recorded Binance data as our values, and candles computed from it by another road."""

import csv
import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from market.ticks import Tick

ROWS = dict[str, str]


def rows(path: Path) -> Iterator[ROWS]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def ticks(folder: Path, symbol: str) -> list[Tick]:
    """Every recorded trade of a symbol as a tick of its own."""
    (path,) = (folder / "ticks").glob(f"{symbol}-*.csv.gz")
    return [
        Tick(
            symbol,
            int(row["trade_id"]),
            Decimal(row["price"]),
            Decimal(row["qty"]),
            int(row["trade_id"]),
            int(row["trade_id"]),
            int(row["trade_time_ms"]),
            row["is_buyer_maker"] == "true",
        )
        for row in rows(path)
    ]


def klines(folder: Path, symbol: str, open_times_ms: range) -> dict[int, ROWS]:
    """The exchange's own 1-minute klines of 2024 by open time."""
    path = folder / "klines" / f"{symbol}-1m-2024-01-01_2024-12-31.csv.gz"
    wanted = {str(time_ms) for time_ms in open_times_ms}
    found = (row for row in rows(path) if row["open_time_ms"] in wanted)
    return {int(row["open_time_ms"]): row for row in found}
