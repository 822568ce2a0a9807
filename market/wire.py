"""Wire format of the exchange's public side, read once at the border into our types."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec

from market.ticks import Tick

T = TypeVar("T")


class BadFrame(ValueError):
    """A frame or an answer that is not what the exchange documents."""


# What msgspec raises for damaged text; bad UTF-8 comes as it is.
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError)


class KlineEvent(msgspec.Struct, frozen=True):
    """The exchange's own candle as it stands at `event_ms`, pushed every 2 s (1 s for `1s`).

    `first_trade_id` and `last_trade_id` are -1 where nobody traded. `closed` is said once, by
    the last event of an interval, and may be missed for good. Volumes are of the base asset,
    `quote_` ones of the quote asset, `taker_` ones of takers that bought.
    Source: WebSocket Streams, "Kline/Candlestick Streams".
    """

    symbol: str
    event_ms: int
    interval: str
    open_ms: int
    first_trade_id: int
    last_trade_id: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_volume: Decimal
    taker_quote_volume: Decimal
    closed: bool


class Reply(msgspec.Struct):
    """The answer to a control message. `error` holds code and text where it was refused.

    Documented flat as `{"code", "msg", "id"}`, seen on the wire nested in `error`.
    """

    id: int | None = None
    result: list[str] | None = None
    error: dict[str, Any] | None = None
    code: int | None = None
    msg: str | None = None

    @property
    def refused(self) -> bool:
        return self.error is not None or self.code is not None


class StreamBatch(msgspec.Struct):
    """Events of a run of frames, and what changed of the symbols meanwhile.

    `newly_silent` ceased to be live; of those `newly_live` something may have been missed.
    """

    ticks: list[Tick] = []
    klines: list[KlineEvent] = []
    replies: list[Reply] = []
    shutdown: bool = False  # the server says that it will soon be gone
    unknown: list[bytes] = []  # frames that are none of these: not asked for, or damaged
    newly_live: list[str] = []
    newly_silent: list[str] = []


class _TickFrame(msgspec.Struct, gc=False):
    data: Tick


class _Kline(msgspec.Struct):
    """The letters of the wire."""

    t: int
    i: str
    f: int
    L: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741  # the exchange's name
    c: Decimal
    v: Decimal
    q: Decimal
    n: int
    V: Decimal
    Q: Decimal
    x: bool


class _KlineMessage(msgspec.Struct, tag_field="e", tag="kline"):
    E: int
    s: str
    k: _Kline

    def event(self) -> KlineEvent:
        k = self.k
        return KlineEvent(
            self.s, self.E, k.i, k.t, k.f, k.L, k.o, k.h, k.l, k.c, k.v, k.q, k.n, k.V, k.Q, k.x
        )


class _Shutdown(msgspec.Struct, tag_field="e", tag="serverShutdown"):
    """Sent shortly before the server goes away; wrapped like other events, or bare."""


class _BareShutdown(msgspec.Struct):
    e: Literal["serverShutdown"]


class _EventFrame(msgspec.Struct):
    data: _KlineMessage | _Shutdown


_tick_frame = msgspec.json.Decoder(_TickFrame).decode
_event_frame = msgspec.json.Decoder(_EventFrame).decode
_bare_shutdown = msgspec.json.Decoder(_BareShutdown).decode
_reply = msgspec.json.Decoder(Reply, strict=False).decode


def read_frames(frames: Iterable[bytes]) -> StreamBatch:
    """Read frames of a combined stream. Source: WebSocket Streams, "Aggregate Trade Streams"."""
    batch = StreamBatch()
    add, rest = batch.ticks.append, iter(frames)
    while True:
        frame = b""
        try:
            for frame in rest:  # nearly all are ticks: the others may cost an exception
                add(_tick_frame(frame).data)
            return batch
        except DECODE_ERRORS:
            _read_other(frame, batch)


def _read_other(frame: bytes, batch: StreamBatch) -> None:
    """Read a kline, a word of the server about itself, a reply, or what is none of these."""
    if (event := _decoded(_event_frame, frame)) is not None:
        if isinstance(event.data, _Shutdown):
            batch.shutdown = True
        else:
            batch.klines.append(event.data.event())
    elif _decoded(_bare_shutdown, frame) is not None:
        batch.shutdown = True
    elif (reply := _control_reply(frame)) is not None:
        batch.replies.append(reply)
    else:
        batch.unknown.append(frame)


def _decoded(decode: Callable[[bytes], T], frame: bytes) -> T | None:
    try:
        return decode(frame)
    except DECODE_ERRORS:
        return None


def _control_reply(frame: bytes) -> Reply | None:
    fields = _decoded(msgspec.json.decode, frame)
    is_reply = isinstance(fields, dict) and bool({"id", "error", "code"} & fields.keys())
    return _decoded(_reply, frame) if is_reply else None


class _AggTradeRow(msgspec.Struct):
    """An aggregate trade as REST gives it: without event type and symbol."""

    a: int
    p: Decimal
    q: Decimal
    f: int
    l: int  # noqa: E741  # the exchange's name
    T: int
    m: bool


class SymbolInfo(msgspec.Struct, rename="camel"):
    """One symbol in exchangeInfo, as far as we use it."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[dict[str, Any]]


class _ExchangeInfo(msgspec.Struct):
    symbols: list[SymbolInfo]


class _RateLimit(msgspec.Struct, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


INTERVAL_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


class _RateLimits(msgspec.Struct, rename="camel"):
    rate_limits: list[_RateLimit] = []


class _ServerTime(msgspec.Struct):
    serverTime: int  # noqa: N815  # the exchange's name


# open time, open, high, low, close, volume, close time, quote volume, trades, taker volumes.
KlineRow = tuple[
    int, Decimal, Decimal, Decimal, Decimal, Decimal, int, Decimal, int, Decimal, Decimal, str
]

QUOTE_UNIT = Decimal("1E-8")  # quote volumes are given to this, each trade's share rounded


def contradicts_itself(row: KlineRow) -> bool:
    """True for a kline that cannot be: its average price, for one, lies outside its range."""
    _, opened, high, low, close, volume, _, quote, trades, taker, taker_quote, _ = row
    slack = QUOTE_UNIT * max(trades, 1)
    return not (
        low <= min(opened, close)
        and max(opened, close) <= high
        and low * volume - slack <= quote <= high * volume + slack
        and taker <= volume
        and taker_quote <= quote
    )


_agg_trades = msgspec.json.Decoder(list[_AggTradeRow])
_klines = msgspec.json.Decoder(list[KlineRow])
_exchange_info = msgspec.json.Decoder(_ExchangeInfo)
_rate_limits = msgspec.json.Decoder(_RateLimits)
_server_time = msgspec.json.Decoder(_ServerTime)


def _read(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    try:
        return decoder.decode(body)
    except DECODE_ERRORS as error:
        raise BadFrame(f"not {what}: {body[:200]!r}") from error


def read_agg_trades(symbol: str, body: bytes) -> list[Tick]:
    """Source: Spot REST, "Compressed/Aggregate trades list"."""
    rows = _read(_agg_trades, body, "aggregate trades")
    return [Tick(symbol, row.a, row.p, row.q, row.f, row.l, row.T, row.m) for row in rows]


def read_klines(body: bytes) -> list[KlineRow]:
    """Source: Spot REST, "Kline/Candlestick data". The last one may still be open."""
    return _read(_klines, body, "klines")


def read_exchange_info(body: bytes) -> list[SymbolInfo]:
    """Source: Spot REST, "Exchange information". Unknown fields are ignored."""
    return _read(_exchange_info, body, "exchange information").symbols


def read_weight_limit(body: bytes) -> int | None:
    """The request weight of a minute, of exchange information; None where it tells none."""
    return _read_limits(body, "REQUEST_WEIGHT").get(INTERVAL_SECONDS["MINUTE"])


def read_order_limits(body: bytes) -> dict[int, int]:
    """Orders that are allowed in spans of so many seconds, of exchange information."""
    return _read_limits(body, "ORDERS")


def _read_limits(body: bytes, kind: str) -> dict[int, int]:
    return {
        one.interval_num * INTERVAL_SECONDS[one.interval]: one.limit
        for one in _read(_rate_limits, body, "exchange information").rate_limits
        if one.rate_limit_type == kind and one.interval in INTERVAL_SECONDS
    }


def read_server_time(body: bytes) -> int:
    """Milliseconds since the epoch. Source: Spot REST, "Check server time"."""
    return _read(_server_time, body, "a server time").serverTime
