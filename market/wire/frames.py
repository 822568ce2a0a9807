"""Wire format of the exchange's public streams, read once at the border into our types."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec

from market.ticks import Tick
from market.wire.bounds import (
    DECODE_ERRORS,
    MAX_TIME_MS,
    MIN_TIME_MS,
    BadFrame,
    Count,
    ErrorCode,
    IdOrNone,
    SymbolName,
    TimeMs,
    Word,
    are_positive,
    check,
    check_amounts,
    check_positive,
)

T = TypeVar("T")


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
    code: ErrorCode | None = None
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
    damaged: list[str] = []  # events that cannot be, and why; what they are of is still to come
    newly_live: list[str] = []
    newly_silent: list[str] = []


class _TickFrame(msgspec.Struct, gc=False):
    data: Tick


class _Kline(msgspec.Struct):
    """The letters of the wire."""

    t: TimeMs
    i: Word
    f: IdOrNone
    L: IdOrNone
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741  # the exchange's name
    c: Decimal
    v: Decimal
    q: Decimal
    n: Count
    V: Decimal
    Q: Decimal
    x: bool


class _KlineMessage(msgspec.Struct, tag_field="e", tag="kline"):
    E: TimeMs
    s: SymbolName
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


def read_frames(frames: Iterable[bytes], latest_ms: int = MAX_TIME_MS) -> StreamBatch:
    """Read frames of a combined stream. Source: WebSocket Streams, "Aggregate Trade Streams".

    `latest_ms` bounds the times of events: the exchange's clock and what it may err by.
    """
    batch = StreamBatch()
    add, rest = batch.ticks.append, iter(frames)
    while True:
        frame = b""
        try:
            for frame in rest:  # nearly all are ticks: the others may cost an exception
                add(_tick_frame(frame).data)
            break
        except DECODE_ERRORS:
            _read_other(frame, batch, latest_ms)
    if batch.ticks and not _are_possible(batch.ticks, latest_ms):
        _set_damaged_aside(batch, latest_ms)
    return batch


def _are_possible(ticks: Sequence[Tick], latest_ms: int) -> bool:
    """True where all ticks are surely within bounds.

    In the hot path, so without a call per tick: what is not sure here is checked tick by tick.
    """
    for tick in ticks:
        if not MIN_TIME_MS <= tick.time_ms <= latest_ms:
            return False
        if tick.first_trade_id > tick.last_trade_id:
            return False
    amounts = [tick.price for tick in ticks]
    amounts += [tick.quantity for tick in ticks]
    return are_positive(amounts)


def check_tick(tick: Tick, latest_ms: int = MAX_TIME_MS) -> None:
    """Raise BadFrame for a tick that cannot be."""
    check_positive(price=tick.price, quantity=tick.quantity)
    check(tick.first_trade_id <= tick.last_trade_id, "its last trade id is before its first")
    check(tick.time_ms >= MIN_TIME_MS, f"its time {tick.time_ms} is before the exchange's own")
    check(tick.time_ms <= latest_ms, f"its time {tick.time_ms} is ahead of the clock")


def _set_damaged_aside(batch: StreamBatch, latest_ms: int) -> None:
    """Move ticks that cannot be out of `ticks`; the hole in their ids is filled by REST."""
    ticks, batch.ticks = batch.ticks, []
    for tick in ticks:
        try:
            check_tick(tick, latest_ms)
            batch.ticks.append(tick)
        except BadFrame as damage:
            batch.damaged.append(f"{tick.symbol} tick {tick.tick_id}: {damage}")


def _read_other(frame: bytes, batch: StreamBatch, latest_ms: int) -> None:
    """Read a kline, a word of the server about itself, a reply, or what is none of these."""
    if (event := _decoded(_event_frame, frame)) is not None:
        if isinstance(event.data, _Shutdown):
            batch.shutdown = True
        else:
            _add_kline(event.data.event(), batch, latest_ms)
    elif _decoded(_bare_shutdown, frame) is not None:
        batch.shutdown = True
    elif (reply := _control_reply(frame)) is not None:
        batch.replies.append(reply)
    else:
        batch.unknown.append(frame)


def _add_kline(kline: KlineEvent, batch: StreamBatch, latest_ms: int) -> None:
    try:
        _check_kline(kline, latest_ms)
    except BadFrame as damage:
        batch.damaged.append(f"{kline.symbol} kline {kline.interval}: {damage}")
    else:
        batch.klines.append(kline)


def _check_kline(kline: KlineEvent, latest_ms: int) -> None:
    """Raise BadFrame for a kline event that cannot be."""
    check(kline.event_ms <= latest_ms, f"its time {kline.event_ms} is ahead of the clock")
    check(kline.open_ms <= kline.event_ms, f"it opens at {kline.open_ms}, after its own time")
    check(kline.first_trade_id <= kline.last_trade_id, "its last trade id is before its first")
    check_range(kline.open, kline.high, kline.low, kline.close)
    check_amounts(
        volume=kline.volume,
        quote_volume=kline.quote_volume,
        taker_volume=kline.taker_volume,
        taker_quote_volume=kline.taker_quote_volume,
    )


def check_range(open_: Decimal, high: Decimal, low: Decimal, close: Decimal) -> None:
    """Raise BadFrame for prices of a kline that cannot be."""
    check_positive(open=open_, high=high, low=low, close=close)
    check(low <= min(open_, close), "its low is not its lowest price")
    check(max(open_, close) <= high, "its high is not its highest price")


def _decoded(decode: Callable[[bytes], T], frame: bytes) -> T | None:
    try:
        return decode(frame)
    except DECODE_ERRORS:
        return None


def _control_reply(frame: bytes) -> Reply | None:
    fields = _decoded(msgspec.json.decode, frame)
    is_reply = isinstance(fields, dict) and bool({"id", "error", "code"} & fields.keys())
    return _decoded(_reply, frame) if is_reply else None
