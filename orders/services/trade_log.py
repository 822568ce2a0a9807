"""The trade log: every fill as one line of JSON, once."""

import fcntl
import os
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

import orjson
import structlog
from django.conf import settings

from foundation.decimals import plain
from orders.models import Trade

BATCH = 500
MAX_LINE_LENGTH = 600  # bytes
logger = structlog.get_logger(__name__)


def append_trade_log() -> int:
    """Append every trade that is not in the log yet; returns how many that were.

    Written, flushed to disk, then marked in the database. A process killed in between leaves
    lines that are not marked: at most one batch, at the end of the file, where the next one
    finds them. One writer at a time, by a lock on the file.
    """
    written = 0
    if not Trade.objects.unlogged().exists():
        return written
    path = Path(settings.TRADE_LOG)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _mend_end(file, path)
        while batch := _next_batch():
            written += _append(file, batch)
    return written


def _next_batch() -> list[Trade]:
    trades = Trade.objects.unlogged().select_related("order", "symbol")
    return list(trades.order_by("pk")[:BATCH])


def _append(file: BinaryIO, trades: Sequence[Trade]) -> int:
    present = _last_keys(file)
    missing = [trade for trade in trades if _key(trade) not in present]
    file.write(b"".join(orjson.dumps(_line(trade)) + b"\n" for trade in missing))
    file.flush()
    os.fsync(file.fileno())
    Trade.objects.filter(pk__in=[trade.pk for trade in trades]).update(logged=True)
    return len(missing)


def _line(trade: Trade) -> dict[str, object]:
    return {
        "time": trade.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "strategy": trade.strategy,
        "symbol": trade.symbol.name,
        "side": trade.side,
        "price": plain(trade.price),
        "quantity": plain(trade.quantity),
        "quote_quantity": plain(trade.quote_quantity),
        "commission": plain(trade.commission),
        "commission_asset": trade.commission_asset,
        "trade_id": trade.trade_id,
        "client_order_id": trade.order.client_order_id,
        "exchange_order_id": trade.order.exchange_order_id,
    }


def _key(trade: Trade) -> tuple[object, object]:
    return trade.order.client_order_id, trade.trade_id


def _last_keys(file: BinaryIO) -> set[tuple[object, object]]:
    """The keys of the last lines, a batch and more."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2 * BATCH * MAX_LINE_LENGTH))
    lines = file.read().split(b"\n")
    if size > 2 * BATCH * MAX_LINE_LENGTH:
        lines = lines[1:]  # begins anywhere within its line
    return {_key_of(line) for line in lines}


def _key_of(line: bytes) -> tuple[object, object]:
    """A line's key; of a line that is none of ours, a key that no trade has."""
    try:
        row = orjson.loads(line)
        return row["client_order_id"], row["trade_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None, None


def _mend_end(file: BinaryIO, path: Path) -> None:
    """Take away what a killed writer or a power cut left after the last whole line.

    It is kept beside, in `….damaged`. Fills that were marked as logged and are among the last lines
    no more are logged again.
    """
    size = file.seek(0, os.SEEK_END)
    whole = _end_of_last_line(file, size)
    if whole == size:
        return
    file.seek(whole)
    with Path(f"{path}.damaged").open("ab") as kept:
        kept.write(file.read() + b"\n")
        kept.flush()
        os.fsync(kept.fileno())
    file.truncate(whole)
    again = _unmark_missing(file)
    logger.warning("trade_log.repaired", file=str(path), cut_bytes=size - whole, again=again)


def _end_of_last_line(file: BinaryIO, size: int) -> int:
    """The offset after the last line's end, looked for from behind, block by block."""
    end = size
    while end > 0:
        start = max(0, end - BATCH * MAX_LINE_LENGTH)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _unmark_missing(file: BinaryIO) -> int:
    """Count of the last logged trades that are not in the file; they are to be logged again."""
    present = _last_keys(file)
    last = Trade.objects.filter(logged=True).select_related("order").order_by("-pk")[:BATCH]
    # Those before the file's first line are another file's.
    lost = list(takewhile(lambda trade: _key(trade) not in present, last))
    Trade.objects.filter(pk__in=[trade.pk for trade in lost]).update(logged=False)
    return len(lost)
