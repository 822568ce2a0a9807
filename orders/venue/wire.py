"""Binance's answers to signed requests and account events, read into our values and failures."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

import msgspec

from foundation.decimals import EXACT
from market.ticks import Side
from market.wire import BadFrame
from orders.core.position import Fill
from orders.core.status import OrderStatus
from orders.venue.exchange import (
    Execution,
    ExecutionReport,
    ListedOrder,
    ListedTrade,
    OutcomeUnknown,
)

T = TypeVar("T")
NO_SUCH_ORDER = -2013
BAD_TIMESTAMP = -1021
STATUSES = {
    "NEW": OrderStatus.NEW,
    "PENDING_NEW": OrderStatus.NEW,
    "PENDING_CANCEL": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED_IN_MATCH,
}


class WireFill(msgspec.Struct, rename="camel"):
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    trade_id: int


class WireOrder(msgspec.Struct, rename="camel"):
    """The answer to a placement (FULL, with fills) and to a query (without)."""

    order_id: int
    client_order_id: str
    executed_qty: Decimal
    cummulative_quote_qty: Decimal  # the wire's own spelling
    status: str
    side: Side
    orig_qty: Decimal = Decimal(0)
    transact_time: int = 0
    time: int = 0
    expiry_reason: str = ""
    fills: list[WireFill] = []


class WireTrade(msgspec.Struct, rename="camel"):
    id: int
    order_id: int
    is_buyer: bool
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int


class WireBalance(msgspec.Struct):
    asset: str
    free: Decimal
    locked: Decimal


class WireAccount(msgspec.Struct):
    balances: list[WireBalance]


class WireError(msgspec.Struct):
    code: int
    msg: str


class WireMessage(msgspec.Struct, rename="camel"):
    """A message of the WebSocket API: the answer to a request, or an event of a subscription."""

    id: int | str | None = None
    status: int = 0
    error: WireError | None = None
    event: msgspec.Raw = msgspec.Raw()


class WireEvent(msgspec.Struct):
    e: str


class WireExecution(msgspec.Struct):
    """Source: Binance Spot, "User Data Streams", executionReport."""

    s: str
    c: str
    C: str  # the order's own client id where a cancel has renamed it, else empty
    S: Side
    q: Decimal
    x: str
    X: str
    r: str
    i: int
    l: Decimal  # noqa: E741  # the wire's name
    z: Decimal
    L: Decimal
    n: Decimal
    N: str | None
    T: int
    t: int
    I: int  # noqa: E741
    O: int  # noqa: E741
    Z: Decimal
    eR: str = ""  # noqa: N815


ORDER = msgspec.json.Decoder(WireOrder)
ORDERS = msgspec.json.Decoder(list[WireOrder])
TRADES = msgspec.json.Decoder(list[WireTrade])
ACCOUNT = msgspec.json.Decoder(WireAccount)
MESSAGE = msgspec.json.Decoder(WireMessage)
EVENT = msgspec.json.Decoder(WireEvent)
EXECUTION = msgspec.json.Decoder(WireExecution)
EXECUTION_REPORT = "executionReport"


def read_order(body: bytes) -> WireOrder:
    return _decoded(ORDER, body, "an order")


def read_orders(body: bytes) -> list[ListedOrder]:
    return [_listed_order(order) for order in _decoded(ORDERS, body, "a list of orders")]


def read_trades(body: bytes) -> list[ListedTrade]:
    return [ListedTrade(t.order_id, _fill(t)) for t in _decoded(TRADES, body, "a list of trades")]


def read_balances(body: bytes) -> dict[str, Decimal]:
    """Balances of each asset, free and locked together."""
    account = _decoded(ACCOUNT, body, "an account")
    return {one.asset: EXACT.add(one.free, one.locked) for one in account.balances}


def read_free_balances(body: bytes) -> dict[str, Decimal]:
    """Free balances by asset."""
    return {one.asset: one.free for one in _decoded(ACCOUNT, body, "an account").balances}


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise OutcomeUnknown(f"not {what}: {body[:200]!r}") from error


def _status(word: str) -> OrderStatus:
    """The exchange adds to its statuses now and then: of a new one we know no more than UNKNOWN."""
    return STATUSES.get(word, OrderStatus.UNKNOWN)


def _reason(status: str, expiry_reason: str) -> str:
    return expiry_reason if status in STATUSES else f"the exchange says {status[:40]!r}"


def _listed_order(order: WireOrder) -> ListedOrder:
    return ListedOrder(
        client_order_id=order.client_order_id,
        exchange_order_id=order.order_id,
        status=_status(order.status),
        side=order.side,
        quantity=order.orig_qty,
        executed_quantity=order.executed_qty,
        time_ms=order.time,
    )


def _fill(t: WireTrade) -> Fill:
    side = Side.BUY if t.is_buyer else Side.SELL
    return Fill(t.id, side, t.price, t.qty, t.commission, t.commission_asset, t.time)


def read_placement(body: bytes) -> ExecutionReport:
    """The report in a FULL answer; its fills bear the order's own time."""
    order = read_order(body)
    fills = tuple(
        Fill(
            fill.trade_id,
            order.side,
            fill.price,
            fill.qty,
            fill.commission,
            fill.commission_asset,
            order.transact_time,
        )
        for fill in order.fills
    )
    return _report(order, fills)


def order_report(order: WireOrder, trades: Iterable[ListedTrade]) -> ExecutionReport:
    return _report(order, tuple(trade.fill for trade in trades))


def _report(order: WireOrder, fills: tuple[Fill, ...]) -> ExecutionReport:
    quote = order.cummulative_quote_qty
    if quote < 0:  # documented as "not available"
        quote = sum((fill.quote_quantity for fill in fills), Decimal(0))
    return ExecutionReport(
        client_order_id=order.client_order_id,
        exchange_order_id=order.order_id,
        status=_status(order.status),
        executed_quantity=order.executed_qty,
        executed_quote=quote,
        fills=fills,
        reason=_reason(order.status, order.expiry_reason),
    )


def read_message(text: bytes) -> WireMessage:
    """Raises BadFrame."""
    try:
        return MESSAGE.decode(text)
    except msgspec.MsgspecError as error:
        raise BadFrame(f"no message of the WebSocket API: {text[:200]!r}") from error


def event_type(event: bytes) -> str:
    """Raises BadFrame."""
    try:
        return EVENT.decode(event).e
    except msgspec.MsgspecError as error:
        raise BadFrame(f"no event: {event[:200]!r}") from error


def read_execution(event: bytes) -> Execution | None:
    """The execution in an event; None where it is one of another kind. Raises BadFrame.

    A cancel gives the order a new client id; the one it was placed under then stands in `C`.
    """
    if event_type(event) != EXECUTION_REPORT:
        return None
    try:
        wire = EXECUTION.decode(event)
        return _execution(wire, _status(wire.X))
    except msgspec.MsgspecError as error:
        raise BadFrame(f"no event of the account: {event[:200]!r}") from error


def _execution(wire: WireExecution, status: OrderStatus) -> Execution:
    client_order_id = wire.C or wire.c
    fills: tuple[Fill, ...] = ()
    if wire.x == "TRADE":
        fills = (Fill(wire.t, wire.S, wire.L, wire.l, wire.n, wire.N or "", wire.T),)
    reason = _reason(wire.X, wire.eR or (wire.r if wire.r != "NONE" else ""))
    return Execution(
        wire.I,
        wire.s,
        ListedOrder(client_order_id, wire.i, status, wire.S, wire.q, wire.z, wire.O),
        ExecutionReport(client_order_id, wire.i, status, wire.z, wire.Z, fills, reason),
    )
