"""Rows of Binance's public archives of aggregate trades, written and read.

Source: Binance Public Data, "AggTrades": no header, eight columns, times of spot in microseconds
since 2025. The last column, whether the trade was at the best price, is True in all of them.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from market.ticks import Tick

COLUMNS = 8
# Of an amount below 0.000001; to have each amount formatted costs three times as much.
EXPONENT = re.compile(r"[\d.]+E[+-]\d+", re.ASCII)


class BadTickRow(Exception):
    """A line that is no tick."""


def encode_rows(ticks: Iterable[Tick]) -> bytes:
    """A line for each tick: agg trade id, price, quantity, first and last trade id, time in
    microseconds, buyer is maker, best match.
    """
    text = "".join(
        [
            f"{tick.tick_id},{tick.price!s},{tick.quantity!s},{tick.first_trade_id}"
            f",{tick.last_trade_id},{tick.time_ms}000,{tick.buyer_is_maker!s},True\n"
            for tick in ticks
        ]
    )
    return EXPONENT.sub(_written_out, text).encode() if "E" in text else text.encode()


def _written_out(amount: re.Match[str]) -> str:
    return f"{Decimal(amount[0]):f}"


def id_and_time_ms(line: bytes) -> tuple[int, int]:
    """A row's id and time. Raises BadTickRow."""
    cells: Sequence[bytes] = line.split(b",")
    if len(cells) != COLUMNS or not (cells[0].isdigit() and cells[5].isdigit()):
        raise BadTickRow(f"not a row of an archive of ticks: {line[:80]!r}")
    return int(cells[0]), int(cells[5]) // 1000
