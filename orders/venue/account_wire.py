"""Binance's messages of the account's own stream, read into our values.

A message that is damaged raises BadFrame (`market.wire.bounds`); what it said is found by
reconciling.
"""

from decimal import Decimal

import msgspec

from market.ticks import Side
from market.wire.bounds import (
    Asset,
    ClientOrderId,
    ErrorCode,
    Id,
    IdOrNone,
    SymbolName,
    Text,
    TimeMs,
    Word,
    check,
    check_amounts,
    check_positive,
    decode,
)
from orders.core.position import Fill
from orders.core.status import OrderStatus
from orders.venue.exchange import Execution, ExecutionReport, ListedOrder
from orders.venue.wire import check_quote, known_status, order_reason


class WireError(msgspec.Struct):
    code: ErrorCode
    msg: Text


class WireMessage(msgspec.Struct, rename="camel"):
    """A message of the WebSocket API: the answer to a request, or an event of a subscription."""

    id: int | str | None = None
    status: int = 0
    error: WireError | None = None
    event: msgspec.Raw = msgspec.Raw()


class WireEvent(msgspec.Struct):
    e: Word


class WireExecution(msgspec.Struct):
    """Source: Binance Spot, "User Data Streams", executionReport."""

    s: SymbolName
    c: ClientOrderId
    C: ClientOrderId  # the order's own client id where a cancel has renamed it, else empty
    S: Side
    q: Decimal
    x: Word
    X: Word
    r: Word
    i: Id
    l: Decimal  # noqa: E741  # the wire's name
    z: Decimal
    L: Decimal
    n: Decimal
    N: Asset | None
    T: TimeMs
    t: IdOrNone
    I: Id  # noqa: E741
    O: TimeMs  # noqa: E741
    Z: Decimal
    eR: Word = ""  # noqa: N815


MESSAGE = msgspec.json.Decoder(WireMessage)
EVENT = msgspec.json.Decoder(WireEvent)
EXECUTION = msgspec.json.Decoder(WireExecution)
EXECUTION_REPORT = "executionReport"


def read_message(text: bytes) -> WireMessage:
    """Raises BadFrame."""
    return decode(MESSAGE.decode, text, "a message of the WebSocket API")


def event_type(event: bytes) -> str:
    """Raises BadFrame."""
    return decode(EVENT.decode, event, "an event").e


def read_execution(event: bytes) -> Execution | None:
    """The execution in an event; None where it is one of another kind. Raises BadFrame.

    A cancel gives the order a new client id; the one it was placed under then stands in `C`.
    """
    if event_type(event) != EXECUTION_REPORT:
        return None
    wire = decode(EXECUTION.decode, event, "an event of the account")
    check_amounts(quantity=wire.q, executed=wire.z, commission=wire.n)
    check_quote(wire.Z)
    if wire.x == "TRADE":
        check_positive(price=wire.L, quantity=wire.l)
        check(wire.t >= 0, f"trade id {wire.t}")
    return _execution(wire, known_status(wire.X))


def _execution(wire: WireExecution, status: OrderStatus) -> Execution:
    client_order_id = wire.C or wire.c
    fills: tuple[Fill, ...] = ()
    if wire.x == "TRADE":
        fills = (Fill(wire.t, wire.S, wire.L, wire.l, wire.n, wire.N or "", wire.T),)
    reason = order_reason(wire.X, wire.eR or (wire.r if wire.r != "NONE" else ""))
    return Execution(
        wire.I,
        wire.s,
        ListedOrder(client_order_id, wire.i, status, wire.S, wire.q, wire.z, wire.O),
        ExecutionReport(client_order_id, wire.i, status, wire.z, wire.Z, fills, reason),
    )
