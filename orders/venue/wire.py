"""Binance's answers to signed requests and account events, read into our values and failures.

Each value is held against what can be and each answer against what was asked
(`market.wire.bounds`). An answer about one order that is damaged is OutcomeUnknown: the order is
looked up again. A row of a list costs that row alone (`market.wire.rows`). An event that is damaged
raises BadFrame, and what it said is found by reconciling.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TypeVar

import msgspec

from foundation.decimals import EXACT, is_bounded, total
from market.ticks import Side
from market.wire.bounds import (
    Asset,
    BadFrame,
    ClientOrderId,
    Id,
    SymbolName,
    TimeMs,
    Word,
    check,
    check_amounts,
    check_positive,
    decode,
    shown,
)
from market.wire.rows import Rows, read_rows
from orders.core.position import Fill
from orders.core.status import OrderStatus
from orders.venue.exchange import (
    ExecutionReport,
    ListedOrder,
    ListedTrade,
    OrderRequest,
    OutcomeUnknown,
)

T = TypeVar("T")
R = TypeVar("R")

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
    commission_asset: Asset
    trade_id: Id


class WireOrder(msgspec.Struct, rename="camel"):
    """The answer to a placement (FULL, with fills) and to a query (without)."""

    symbol: SymbolName
    order_id: Id
    client_order_id: ClientOrderId
    executed_qty: Decimal
    cummulative_quote_qty: Decimal  # the wire's own spelling
    status: Word
    side: Side
    orig_qty: Decimal = Decimal(0)
    orig_client_order_id: ClientOrderId = ""  # of a cancel: what the order was called
    transact_time: TimeMs | None = None
    time: TimeMs | None = None
    expiry_reason: Word = ""
    fills: list[WireFill] = []


class WireTrade(msgspec.Struct, rename="camel"):
    symbol: SymbolName
    id: Id
    order_id: Id
    is_buyer: bool
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: Asset
    time: TimeMs


class WireBalance(msgspec.Struct):
    asset: Asset
    free: Decimal
    locked: Decimal


class WireAccount(msgspec.Struct):
    balances: msgspec.Raw


ORDER = msgspec.json.Decoder(WireOrder)
TRADE = msgspec.json.Decoder(WireTrade)
BALANCE = msgspec.json.Decoder(WireBalance)
ACCOUNT = msgspec.json.Decoder(WireAccount)


def read_order(body: bytes, symbol: str, exchange_order_id: int | None = None) -> WireOrder:
    """One order of a `symbol`, that of a number where one is given. Raises OutcomeUnknown."""
    try:
        order = _checked_order(decode(ORDER.decode, body, "an order"), symbol)
        asked = (None, order.order_id)
        check(exchange_order_id in asked, f"order {order.order_id}, not {exchange_order_id}")
    except BadFrame as error:
        raise OutcomeUnknown(str(error)) from error
    return order


def read_orders(body: bytes, symbol: str) -> Rows[ListedOrder]:
    """Orders of a `symbol`. Raises OutcomeUnknown where the answer is no list."""

    def listed(order: WireOrder) -> ListedOrder:
        return _listed_order(_checked_order(order, symbol))

    return _rows(ORDER, listed, body, "orders")


def read_trades(
    body: bytes, symbol: str, exchange_order_id: int | None = None
) -> Rows[ListedTrade]:
    """Fills of a `symbol`, of one order where its number is given. Raises OutcomeUnknown where
    the answer is no list.
    """

    def listed(trade: WireTrade) -> ListedTrade:
        check(trade.symbol == symbol, f"a trade of {shown(trade.symbol)}, not of {symbol}")
        of_it = exchange_order_id in (None, trade.order_id)
        check(of_it, f"a trade of order {trade.order_id}, not {exchange_order_id}")
        check_positive(price=trade.price, quantity=trade.qty)
        check_amounts(commission=trade.commission)
        return ListedTrade(trade.order_id, _fill(trade))

    return _rows(TRADE, listed, body, "trades")


def read_balances(body: bytes) -> dict[str, Decimal]:
    """Balances of each asset, free and locked together."""
    return {one.asset: EXACT.add(one.free, one.locked) for one in _balances(body)}


def read_free_balances(body: bytes) -> dict[str, Decimal]:
    """Free balances by asset."""
    return {one.asset: one.free for one in _balances(body)}


def _balances(body: bytes) -> list[WireBalance]:
    """Raises OutcomeUnknown, also where one cannot be read: an asset left out would be none."""

    def checked(balance: WireBalance) -> WireBalance:
        check_amounts(free=balance.free, locked=balance.locked)
        return balance

    try:
        account = decode(ACCOUNT.decode, body, "an account")
    except BadFrame as error:
        raise OutcomeUnknown(str(error)) from error
    rows = _rows(BALANCE, checked, bytes(account.balances), "balances")
    if rows.left_out:
        raise OutcomeUnknown(f"{rows.left_out} of {rows.listed} balances could not be read")
    return rows


def _rows(
    decoder: msgspec.json.Decoder[R], convert: Callable[[R], T], body: bytes, what: str
) -> Rows[T]:
    try:
        return read_rows(decoder, convert, body, what)
    except BadFrame as error:
        raise OutcomeUnknown(str(error)) from error


def _checked_order(order: WireOrder, symbol: str) -> WireOrder:
    """Raises BadFrame for an order that cannot be, or of another symbol."""
    check(order.symbol == symbol, f"an order of {shown(order.symbol)}, not of {symbol}")
    check_amounts(quantity=order.orig_qty, executed=order.executed_qty)
    check_quote(order.cummulative_quote_qty)
    for fill in order.fills:
        check_positive(price=fill.price, quantity=fill.qty)
        check_amounts(commission=fill.commission)
    return order


def check_quote(quote: Decimal) -> None:
    """Any negative one is documented as "not available"."""
    check(is_bounded(quote), f"quote {shown(quote)} is out of bounds")


def known_status(word: str) -> OrderStatus:
    """The exchange adds to its statuses now and then: of a new one we know no more than UNKNOWN."""
    return STATUSES.get(word, OrderStatus.UNKNOWN)


def order_reason(status: str, expiry_reason: str) -> str:
    return expiry_reason if status in STATUSES else f"the exchange says {status[:40]!r}"


def _listed_order(order: WireOrder) -> ListedOrder:
    return ListedOrder(
        client_order_id=order.client_order_id,
        exchange_order_id=order.order_id,
        status=known_status(order.status),
        side=order.side,
        quantity=order.orig_qty,
        executed_quantity=order.executed_qty,
        time_ms=order.time or 0,
    )


def _fill(t: WireTrade) -> Fill:
    side = Side.BUY if t.is_buyer else Side.SELL
    return Fill(t.id, side, t.price, t.qty, t.commission, t.commission_asset, t.time)


def read_placement(body: bytes, request: OrderRequest) -> ExecutionReport:
    """The report in a FULL answer to `request`; its fills bear the order's own time.

    Raises OutcomeUnknown for what is no answer to it.
    """
    order = read_order(body, request.symbol)
    fills = tuple(
        Fill(
            fill.trade_id,
            order.side,
            fill.price,
            fill.qty,
            fill.commission,
            fill.commission_asset,
            order.transact_time or 0,
        )
        for fill in order.fills
    )
    same = order.client_order_id == request.client_order_id and order.side is request.side
    if not same or order.executed_qty > request.quantity:
        raise OutcomeUnknown(f"not the order that was placed: {body[:200]!r}")
    return _report(order, fills)


def order_report(order: WireOrder, trades: Iterable[ListedTrade]) -> ExecutionReport:
    return _report(order, tuple(trade.fill for trade in trades))


def _report(order: WireOrder, fills: tuple[Fill, ...]) -> ExecutionReport:
    quote = order.cummulative_quote_qty
    if quote < 0:  # documented as "not available"
        quote = total(fill.quote_quantity for fill in fills)
    return ExecutionReport(
        client_order_id=order.client_order_id,
        exchange_order_id=order.order_id,
        status=known_status(order.status),
        executed_quantity=order.executed_qty,
        executed_quote=quote,
        fills=fills,
        reason=order_reason(order.status, order.expiry_reason),
    )
