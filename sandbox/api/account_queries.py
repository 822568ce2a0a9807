"""Handlers that show orders, own trades and balances. Source: protocol D.8, D.9.

All of it comes from a database that may lag behind the engine.
"""

from typing import TypeVar

from sandbox.api.limits import order_limits
from sandbox.api.request import ApiRequest
from sandbox.api.trading import find_named_order
from sandbox.clock import DAY_MS
from sandbox.engine.order_payloads import order_status, own_trade
from sandbox.engine.orders import ZERO, Order
from sandbox.errors import ApiError
from sandbox.wire import Json, format_decimal

Row = TypeVar("Row")


def _visible_until_ms(request: ApiRequest) -> int | None:
    return request.context.faults.account_data_until_ms(request.now_ms)


def _visible_orders(request: ApiRequest) -> list[Order]:
    return request.engine.orders_at(_visible_until_ms(request))


def _orders_of_symbol(request: ApiRequest) -> list[Order]:
    symbol = request.market().rules.symbol
    return [order for order in _visible_orders(request) if order.request.symbol == symbol]


def _shown(request: ApiRequest, orders: list[Order]) -> list[Json]:
    """The orders of an answer, oldest first."""
    rows = [order_status(order) for order in orders]
    for row in rows[-1:]:
        row["status"] = request.context.faults.shown_status(row["status"], request.now_ms)
    return rows


async def query_order(request: ApiRequest) -> object:
    missing = ApiError(-2013, "Order does not exist.")
    return _shown(request, [find_named_order(request, _visible_orders(request), missing)])[0]


async def open_orders(request: ApiRequest) -> object:
    orders = _orders_of_symbol(request) if "symbol" in request.params else _visible_orders(request)
    return _shown(request, [order for order in orders if order.is_open])


def _time_range(request: ApiRequest) -> tuple[int | None, int | None]:
    start_ms = request.params.time_ms("startTime", request.now_ms)
    end_ms = request.params.time_ms("endTime", request.now_ms)
    if start_ms is not None and end_ms is not None and end_ms - start_ms > DAY_MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start_ms, end_ms


def _page(rows: list[Row], oldest_first: bool, limit: int) -> list[Row]:
    return rows[:limit] if oldest_first else rows[-limit:]


async def all_orders(request: ApiRequest) -> object:
    start_ms, end_ms = _time_range(request)
    first_id = request.params.integer("orderId")
    rows = [
        order
        for order in _orders_of_symbol(request)
        if (first_id is None or order.order_id >= first_id)
        and (start_ms is None or order.time_ms >= start_ms)
        and (end_ms is None or order.time_ms <= end_ms)
    ]
    oldest_first = first_id is not None or start_ms is not None
    return _shown(request, _page(rows, oldest_first, request.params.limit()))


MY_TRADES_COMBINATIONS: tuple[set[str], ...] = (
    set(),
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
)


async def my_trades(request: ApiRequest) -> object:
    sent = {
        name for name in ("orderId", "fromId", "startTime", "endTime") if name in request.params
    }
    if sent not in MY_TRADES_COMBINATIONS:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    start_ms, end_ms = _time_range(request)
    order_id, first_id = request.params.integer("orderId"), request.params.integer("fromId")
    rows = [
        (order, fill)
        for order in _orders_of_symbol(request)
        for fill in order.fills
        if (order_id is None or order.order_id == order_id)
        and (first_id is None or fill.trade_id >= first_id)
        and (start_ms is None or fill.time_ms >= start_ms)
        and (end_ms is None or fill.time_ms <= end_ms)
    ]
    rows.sort(key=lambda row: row[1].trade_id)
    oldest_first = first_id is not None or start_ms is not None
    return [own_trade(*row) for row in _page(rows, oldest_first, request.params.limit())]


def _commission_rates(request: ApiRequest) -> Json:
    rate, none = format_decimal(request.exchange.config.fee), format_decimal(ZERO)
    return {"maker": rate, "taker": rate, "buyer": none, "seller": none}


async def account(request: ApiRequest) -> object:
    balances_of, until_ms = request.engine.account, _visible_until_ms(request)
    shown = balances_of.balances if until_ms is None else balances_of.balances_at(until_ms)
    hide_zero, points = (
        request.params.flag("omitZeroBalances"),
        int(request.exchange.config.fee * 10_000),
    )
    updated = max((order.update_ms for order in _visible_orders(request)), default=0)
    balances = [
        {
            "asset": asset,
            "free": format_decimal(balance.free),
            "locked": format_decimal(balance.locked),
        }
        for asset, balance in shown.items()
        if not hide_zero or balance.free or balance.locked
    ]
    return {
        "makerCommission": points,
        "takerCommission": points,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _commission_rates(request),
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated or request.exchange.started_ms,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": 354_937_868,
    }


async def order_rate_limits(request: ApiRequest) -> object:
    return order_limits(request.engine.order_count.counts(request.now_ms))


async def commission(request: ApiRequest) -> object:
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), format_decimal(ZERO))
    return {
        "symbol": request.market().rules.symbol,
        "standardCommission": _commission_rates(request),
        "specialCommission": none,
        "taxCommission": none,
        "discount": request.exchange.fee_discount(),
    }
