"""The recorded Binance data as our values, and candles computed from it by another road."""

import csv
import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from candles.intervals import floor_ms
from candles.ohlcv import OHLCV
from market.ticks import Tick

ROWS = dict[str, str]
DATA = Path(__file__).resolve().parent / "data"


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
    """The exchange's own 1-minute klines of the recorded trades, by open time."""
    (path,) = (folder / "klines").glob(f"{symbol}-1m-*.csv.gz")
    wanted = {str(time_ms) for time_ms in open_times_ms}
    found = (row for row in rows(path) if row["open_time_ms"] in wanted)
    return {int(row["open_time_ms"]): row for row in found}


def by_the_book(ticks: list[Tick], interval_ms: int, until_ms: int) -> list[OHLCV]:
    """Candles computed the slow way: collect each interval's ticks, then look at them all."""
    candles: list[OHLCV] = []
    open_ms = floor_ms(ticks[0].time_ms, interval_ms)
    close = ticks[0].price
    for start in range(open_ms, until_ms, interval_ms):
        own = [t for t in ticks if start <= t.time_ms < start + interval_ms]
        bought = [t for t in own if not t.buyer_is_maker]
        prices = [t.price for t in own] or [close]
        close = prices[-1]
        candles.append(
            OHLCV(
                start,
                interval_ms,
                prices[0],
                max(prices),
                min(prices),
                close,
                sum((t.quantity for t in own), Decimal(0)),
                sum((t.quantity * t.price for t in own), Decimal(0)),
                sum(t.last_trade_id - t.first_trade_id + 1 for t in own),
                sum((t.quantity for t in bought), Decimal(0)),
                sum((t.quantity * t.price for t in bought), Decimal(0)),
                own[0].tick_id if own else None,
                own[-1].tick_id if own else None,
            )
        )
    return candles
