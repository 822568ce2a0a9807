"""Signed REST endpoints: orders, account, own trades. Source: protocol D.4, D.7 to D.9."""

import asyncio
import secrets
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from sandbox.clock import DAY_MS
from sandbox.faults.fault import Fault
from sandbox.faults.orders import OrderError, OrderTimeout, Reject
from sandbox.filters import (
    MAX_OPEN_ORDERS,
    check_notional,
    check_percent_price,
    check_price,
    check_quantity,
)
from sandbox.limits import ORDER_LIMITS
from sandbox.market import Market
from sandbox.orderform import client_order_id, order_request
from sandbox.orders import Order, OrderRequest, cancelled, own_trade, placed, queried
from sandbox.params import Params
from sandbox.public import fixed, market_of, per_symbols
from sandbox.rest import Call, Endpoint, Handler, Routes, Weight
from sandbox.wire import ApiError, Json, filter_failure, text

ZERO = Decimal(0)
HUNG_SECONDS = 0.1
LONGEST_SILENCE_SECONDS = 300.0


def check_filters(request: OrderRequest, market: Market, now_ms: int) -> None:
    """Raise -1013 for the first filter the order breaks."""
    rules, market_order = market.rules, request.type == "MARKET"
    reference = market.average_price(now_ms)
    if not market_order:
        check_price(rules, request.price)
    if request.quantity:
        check_quantity(rules, request.quantity, market_order)
    if not market_order and reference is not None:
        check_percent_price(request.side, request.price, reference)
    price = reference if market_order else request.price
    if price is not None:
        notional = request.quote_quantity or price * request.quantity
        check_notional(rules, notional, market_order)


def _checked(call: Call) -> tuple[OrderRequest, Market]:
    request = order_request(call.params)
    market = call.exchange.market(request.symbol)
    check_filters(request, market, call.now_ms)
    return request, market


async def try_order(call: Call) -> object:
    _checked(call)
    if not call.params.flag("computeCommissionRates"):
        return {}
    fee, none = text(call.exchange.plan.fee), {"maker": text(ZERO), "taker": text(ZERO)}
    return {
        "standardCommissionForOrder": {"maker": fee, "taker": fee},
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": text(ZERO),
        },
    }


async def place_order(call: Call) -> object:
    """Place an order, unless a fault waits for the next one."""
    request, market = _checked(call)
    fault = call.faults.next_order()
    if isinstance(fault, Reject):
        raise ApiError(fault.code, fault.msg, fault.status)
    order = None
    if not isinstance(fault, OrderError | OrderTimeout) or fault.executed:
        order = _place(call, request, market)
    return await _answered(call, order, fault)


def _place(call: Call, request: OrderRequest, market: Market) -> Order:
    engine, now_ms = call.exchange.engine, call.exchange.clock.now_ms()
    if len(engine.open_orders(request.symbol)) >= MAX_OPEN_ORDERS:
        raise filter_failure("MAX_NUM_ORDERS")
    call.order_count.add(now_ms)
    order = engine.place(request, market, now_ms)
    if order.fills:
        call.order_count.filled(now_ms)
    counts = call.order_count.counts(now_ms)
    for (interval, number, _, _), count in zip(ORDER_LIMITS, counts, strict=True):
        call.headers[f"X-MBX-ORDER-COUNT-{number}{interval[0]}"] = str(count)
    return order


async def _answered(call: Call, order: Order | None, fault: Fault | None) -> Json:
    """The answer to a placement as a fault lets it out: true, late, wrong or never."""
    if isinstance(fault, OrderError):
        raise ApiError(fault.code, fault.msg, fault.status)
    if isinstance(fault, OrderTimeout):
        await _silence(call, fault.answer_after_ms)
    if order is None:
        unanswered = OrderError()
        raise ApiError(unanswered.code, unanswered.msg, unanswered.status)
    return placed(order)


async def _silence(call: Call, length_ms: int | None) -> None:
    """Say nothing for so long, or until the client gives up."""
    length = LONGEST_SILENCE_SECONDS if length_ms is None else length_ms / 1000
    until = asyncio.get_running_loop().time() + length
    while (left := until - asyncio.get_running_loop().time()) > 0:
        if call.request.transport is None or call.request.transport.is_closing():
            return
        await asyncio.sleep(min(left, HUNG_SECONDS))
    if length_ms is None and call.request.transport:
        call.request.transport.close()


def _wanted(call: Call, missing: ApiError) -> Order:
    """The order that orderId and/or origClientOrderId name."""
    symbol = market_of(call).rules.symbol
    order_id, client_id = call.params.integer("orderId"), call.params.optional("origClientOrderId")
    if order_id is None and client_id is None:
        message = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        raise ApiError(-1102, message)
    order = call.exchange.engine.find(symbol, order_id, client_id)
    if order is None:
        raise missing
    return order


async def query_order(call: Call) -> object:
    return queried(_wanted(call, ApiError(-2013, "Order does not exist.")))


async def cancel_order(call: Call) -> object:
    order = _wanted(call, ApiError(-2011, "Unknown order sent."))
    restriction = call.params.optional("cancelRestrictions")
    if restriction not in (None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise ApiError(-1145, "Invalid cancelRestrictions")
    if restriction and order.is_open and restriction != f"ONLY_{order.status}":
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    return _cancel(call, order, client_order_id(call.params))


def _cancel(call: Call, order: Order, cancel_id: str) -> Json:
    original_id, market = order.client_order_id, market_of(call)
    call.exchange.engine.cancel(order, cancel_id, market.rules, call.now_ms)
    return cancelled(order, original_id)


async def cancel_open_orders(call: Call) -> object:
    orders = call.exchange.engine.open_orders(market_of(call).rules.symbol)
    if not orders:
        raise ApiError(-2011, "Unknown order sent.")
    return [_cancel(call, order, secrets.token_hex(11)) for order in orders]


async def open_orders(call: Call) -> object:
    symbol = market_of(call).rules.symbol if "symbol" in call.params else None
    return [queried(order) for order in call.exchange.engine.open_orders(symbol)]


def _times(call: Call) -> tuple[int | None, int | None]:
    start_ms = call.params.time_ms("startTime", call.now_ms)
    end_ms = call.params.time_ms("endTime", call.now_ms)
    if start_ms is not None and end_ms is not None and end_ms - start_ms > DAY_MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start_ms, end_ms


Row = TypeVar("Row")


def _page(rows: list[Row], oldest_first: bool, limit: int) -> list[Row]:
    return rows[:limit] if oldest_first else rows[-limit:]


async def all_orders(call: Call) -> object:
    start_ms, end_ms = _times(call)
    first_id = call.params.integer("orderId")
    rows = [
        order
        for order in call.exchange.engine.of_symbol(market_of(call).rules.symbol)
        if (first_id is None or order.order_id >= first_id)
        and (start_ms is None or order.time_ms >= start_ms)
        and (end_ms is None or order.time_ms <= end_ms)
    ]
    oldest_first = first_id is not None or start_ms is not None
    return [queried(order) for order in _page(rows, oldest_first, call.params.limit())]


MY_TRADES_ALLOWED: tuple[set[str], ...] = (
    set(),
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
)


async def my_trades(call: Call) -> object:
    sent = {name for name in ("orderId", "fromId", "startTime", "endTime") if name in call.params}
    if sent not in MY_TRADES_ALLOWED:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    start_ms, end_ms = _times(call)
    order_id, first_id = call.params.integer("orderId"), call.params.integer("fromId")
    rows = [
        (order, fill)
        for order in call.exchange.engine.of_symbol(market_of(call).rules.symbol)
        for fill in order.fills
        if (order_id is None or order.order_id == order_id)
        and (first_id is None or fill.trade_id >= first_id)
        and (start_ms is None or fill.time_ms >= start_ms)
        and (end_ms is None or fill.time_ms <= end_ms)
    ]
    rows.sort(key=lambda row: row[1].trade_id)
    oldest_first = first_id is not None or start_ms is not None
    return [own_trade(*row) for row in _page(rows, oldest_first, call.params.limit())]


async def account(call: Call) -> object:
    engine, hide_zero = call.exchange.engine, call.params.flag("omitZeroBalances")
    points, rate = int(engine.fee * 10_000), text(engine.fee)
    updated = max((order.update_ms for order in engine.orders.values()), default=0)
    balances = [
        {"asset": asset, "free": text(balance.free), "locked": text(balance.locked)}
        for asset, balance in engine.account.balances.items()
        if not hide_zero or balance.free or balance.locked
    ]
    return {
        "makerCommission": points,
        "takerCommission": points,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": rate,
            "taker": rate,
            "buyer": text(ZERO),
            "seller": text(ZERO),
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated or call.exchange.started_ms,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": 354_937_868,
    }


async def order_rate_limits(call: Call) -> object:
    counts = call.order_count.counts(call.now_ms)
    return [
        {
            "rateLimitType": "ORDERS",
            "interval": interval,
            "intervalNum": number,
            "limit": limit,
            "count": count,
        }
        for (interval, number, _, limit), count in zip(ORDER_LIMITS, counts, strict=True)
    ]


PLACING = (
    "symbol",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "strategyId",
    "strategyType",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
)
NAMING = ("symbol", "orderId", "origClientOrderId")
TIMES = ("startTime", "endTime", "limit")


def _signed(handle: Handler, names: Iterable[str], weight: Weight, free: bool = False) -> Endpoint:
    return Endpoint(handle, tuple(names), weight, signed=True, free=free)


def test_weight(params: Params) -> int:
    return 20 if "computeCommissionRates" in params else 1


def my_trades_weight(params: Params) -> int:
    return 5 if "orderId" in params else 20


ROUTES: Routes = {
    ("POST", "/api/v3/order"): _signed(place_order, PLACING, fixed(1), free=True),
    ("POST", "/api/v3/order/test"): _signed(
        try_order, (*PLACING, "computeCommissionRates"), test_weight
    ),
    ("GET", "/api/v3/order"): _signed(query_order, NAMING, fixed(4)),
    ("DELETE", "/api/v3/order"): _signed(
        cancel_order, (*NAMING, "newClientOrderId", "cancelRestrictions"), fixed(1), free=True
    ),
    ("DELETE", "/api/v3/openOrders"): _signed(cancel_open_orders, ("symbol",), fixed(1), free=True),
    ("GET", "/api/v3/openOrders"): _signed(open_orders, ("symbol",), per_symbols(6, 80)),
    ("GET", "/api/v3/allOrders"): _signed(all_orders, ("symbol", "orderId", *TIMES), fixed(20)),
    ("GET", "/api/v3/myTrades"): _signed(
        my_trades, ("symbol", "orderId", "fromId", *TIMES), my_trades_weight
    ),
    ("GET", "/api/v3/account"): _signed(account, ("omitZeroBalances",), fixed(20)),
    ("GET", "/api/v3/rateLimit/order"): _signed(order_rate_limits, (), fixed(40)),
}
