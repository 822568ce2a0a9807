"""Targets of the fuzzer: for each decoder what it may do with any bytes.

A target's `check` raises AssertionError, or what the decoder lets through, where the law is broken.
"""

import gzip
import json
import socket
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from websocket import WebSocketException

from candles.history.archives import Archive, ArchiveRow, BadArchive
from foundation.decimals import is_bounded
from market.failures import MAX_WAIT_S, Busy, OutcomeUnknown, Refused, failure_of
from market.rules import SymbolRules
from market.stream.websocket import BatchSocket
from market.ticks import Side
from market.wire.bounds import MAX_COUNT, MAX_ID, MAX_TIME_MS, MIN_TIME_MS, BadFrame
from market.wire.frames import read_frames
from market.wire.rest import (
    check_ascending,
    check_interval,
    contradicts_itself,
    read_agg_trades,
    read_exchange_info,
    read_klines,
    read_order_limits,
    read_server_time,
    read_weight_limit,
)
from orders.venue import account_wire, wire
from orders.venue.exchange import OrderRequest
from tests.fuzz import seeds

LATEST_MS = 1_900_000_000_000


@dataclass(frozen=True)
class Target:
    check: Callable[[bytes], None]
    seeds: Sequence[bytes]


def check_frames(data: bytes) -> None:
    """Lines are frames."""
    batch = read_frames(data.split(b"\n"), LATEST_MS)
    for tick in batch.ticks:
        assert tick.price > 0 < tick.quantity
        assert 0 <= tick.first_trade_id <= tick.last_trade_id <= MAX_ID
        assert MIN_TIME_MS <= tick.time_ms <= LATEST_MS
    for kline in batch.klines:
        assert 0 < kline.low <= kline.open <= kline.high
        assert MIN_TIME_MS <= kline.open_ms <= kline.event_ms <= LATEST_MS
    _check_values([batch.ticks, batch.klines])


class _Bytes(socket.socket):
    """A line that brings these bytes and then nothing."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def recv(self, size: int, flags: int = 0) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        if not data:
            raise BlockingIOError
        return data

    def send(self, data: Any, flags: int = 0) -> int:
        return len(data)


def check_socket(data: bytes) -> None:
    reader = BatchSocket()
    with _Bytes(data) as reader.sock, suppress(OSError, WebSocketException):
        for _ in range(3):
            read_frames(reader.read_batch(), LATEST_MS)


def check_public(data: bytes) -> None:
    for read in (lambda: read_agg_trades("BTCUSDT", data, LATEST_MS), lambda: read_klines(data)):
        try:
            rows: Any = read()
            for row in rows:
                _check_values(row)
            if rows and isinstance(rows[0], tuple):
                assert isinstance(contradicts_itself(rows[0]), bool)
                check_interval(rows, "1m", LATEST_MS)
                check_ascending([row[0] for row in rows], 0, MAX_TIME_MS)
        except BadFrame:
            pass


def check_exchange_info(data: bytes) -> None:
    try:
        limits = [*read_order_limits(data).values(), read_weight_limit(data) or 1]
        assert all(0 < limit <= MAX_COUNT for limit in limits)
        for info in read_exchange_info(data, {"BTCUSDT"}):
            assert info.symbol == "BTCUSDT"
            assert info.status.isprintable()
            json.dumps(info.filters)
            rules = SymbolRules.from_filters(info.filters)
            quantity = rules.order_quantity("SOL", None, Decimal("60000.12"))
            rules.violation(quantity, Decimal("60000.12"))
            rules.sellable(quantity, Decimal("60000.12"))
    except BadFrame:
        pass
    with suppress(BadFrame):
        assert MIN_TIME_MS <= read_server_time(data) <= MAX_TIME_MS


REQUEST = OrderRequest("BTCUSDT", Side.BUY, Decimal("0.003"), "t-1", LATEST_MS)


def check_orders(data: bytes) -> None:
    reads: Iterable[Callable[[], Any]] = (
        lambda: wire.read_placement(data, REQUEST),
        lambda: wire.order_report(wire.read_order(data, "BTCUSDT", 28), []),
        lambda: wire.read_orders(b"[" + data + b"]", "BTCUSDT"),
        lambda: wire.read_orders(data, "BTCUSDT"),
        lambda: wire.read_trades(data, "BTCUSDT", 28),
        lambda: wire.read_balances(data),
        lambda: wire.read_free_balances(data),
    )
    for read in reads:
        with suppress(OutcomeUnknown):
            _check_values(read(), negative=True)


def check_account(data: bytes) -> None:
    try:
        message = account_wire.read_message(data)
        if event := bytes(message.event):
            account_wire.event_type(event)
            execution = account_wire.read_execution(event)
            if execution is not None:
                assert all(fill.price > 0 < fill.quantity for fill in execution.report.fills)
                _check_values(execution, negative=True)
    except BadFrame:
        pass


def check_failures(data: bytes) -> None:
    """Status, `Retry-After` and body, each behind a line break."""
    status, retry_after, body = (*data.split(b"\n", 2), b"", b"")[:3]
    number = int(status) if status.isdigit() and len(status) == 3 else 400
    headers = {"Retry-After": retry_after.decode("latin-1"), "Date": retry_after.decode("latin-1")}
    failure = failure_of(number, headers, body)
    if isinstance(failure, Busy):
        assert 1 <= failure.retry_after_s <= MAX_WAIT_S
    elif isinstance(failure, Refused):
        assert failure.code < 0
    assert len(str(failure)) < 1000


def check_archive(data: bytes) -> None:
    """The first byte tells the kind of file."""
    endings = (".csv", ".csv.gz", ".zip")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"BTCUSDT-1m-2024-08{endings[data[0] % 3] if data else '.csv'}"
        path.write_bytes(data[1:] if not path.name.endswith(".csv") else data)
        try:
            for row in Archive(path).rows():
                if isinstance(row, ArchiveRow):
                    assert 0 < row.candle.low <= row.candle.open <= row.candle.high
                    assert row.candle.volume >= 0
                    assert MIN_TIME_MS <= row.candle.open_ms <= MAX_TIME_MS
                    _check_values(row.candle)
        except BadArchive:
            pass


def _check_values(value: Any, *, negative: bool = False) -> None:
    """Every decimal in it is bounded; every whole number fits our columns."""
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=False)
    values = [plain]
    while values:
        one = values.pop()
        if isinstance(one, Decimal):
            # Balances are sums of two.
            assert is_bounded(one, whole_digits=16), one
            assert negative or one >= 0, one
        elif isinstance(one, dict):
            values += one.values()
        elif isinstance(one, list | tuple):
            values += one
        elif isinstance(one, int):
            assert -1 <= one <= MAX_ID, one


TARGETS = {
    "frames": Target(check_frames, (seeds.TICK, seeds.KLINE, *seeds.REPLIES)),
    "socket": Target(
        check_socket,
        tuple(
            b"\x81~" + len(one).to_bytes(2, "big") + one
            for one in (seeds.TICK + b" " * 80, seeds.KLINE)
        ),
    ),
    "public": Target(check_public, (seeds.AGG_TRADES, seeds.KLINES)),
    "exchange_info": Target(check_exchange_info, (seeds.EXCHANGE_INFO, seeds.SERVER_TIME)),
    "orders": Target(check_orders, (seeds.ORDER, seeds.TRADES, seeds.ACCOUNT)),
    "account": Target(check_account, seeds.MESSAGES),
    "failures": Target(check_failures, seeds.FAILURES),
    "archives": Target(check_archive, (seeds.ARCHIVE, b"\x01" + gzip.compress(seeds.ARCHIVE))),
}
