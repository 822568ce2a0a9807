"""Looking at orders, own trades and balances. Source: protocol D.8, D.9.

All of it comes from memory, which may lag behind the engine.
"""

from typing import TypeVar

from sandbox.api.limits import order_limits
from sandbox.api.market_data import market_of
from sandbox.api.request import ApiRequest
from sandbox.api.trading import find_named_order
from sandbox.clock import DAY_MS
from sandbox.engine.order_payloads import order_status, own_trade
from sandbox.engine.orders import ZERO, Order
from sandbox.errors import ApiError
from sandbox.wire import Json, format_decimal

Row = TypeVar("Row")


def _visible_until_ms(call: ApiRequest) -> int | None:
    return call.context.faults.account_data_until_ms(call.now_ms)


def _visible_orders(call: ApiRequest) -> list[Order]:
    return call.exchange.engine.orders_at(_visible_until_ms(call))


def _orders_of_symbol(call: ApiRequest) -> list[Order]:
    symbol = market_of(call).rules.symbol
    return [order for order in _visible_orders(call) if order.request.symbol == symbol]


async def query_order(call: ApiRequest) -> object:
    return order_status(
        find_named_order(call, _visible_orders(call), ApiError(-2013, "Order does not exist."))
    )


async def open_orders(call: ApiRequest) -> object:
    orders = _orders_of_symbol(call) if "symbol" in call.params else _visible_orders(call)
    return [order_status(order) for order in orders if order.is_open]


def _time_range(call: ApiRequest) -> tuple[int | None, int | None]:
    start_ms = call.params.time_ms("startTime", call.now_ms)
    end_ms = call.params.time_ms("endTime", call.now_ms)
    if start_ms is not None and end_ms is not None and end_ms - start_ms > DAY_MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start_ms, end_ms


def _page(rows: list[Row], oldest_first: bool, limit: int) -> list[Row]:
    return rows[:limit] if oldest_first else rows[-limit:]


async def all_orders(call: ApiRequest) -> object:
    start_ms, end_ms = _time_range(call)
    first_id = call.params.integer("orderId")
    rows = [
        order
        for order in _orders_of_symbol(call)
        if (first_id is None or order.order_id >= first_id)
        and (start_ms is None or order.time_ms >= start_ms)
        and (end_ms is None or order.time_ms <= end_ms)
    ]
    oldest_first = first_id is not None or start_ms is not None
    return [order_status(order) for order in _page(rows, oldest_first, call.params.limit())]


MY_TRADES_COMBINATIONS: tuple[set[str], ...] = (
    set(),
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
)


async def my_trades(call: ApiRequest) -> object:
    sent = {name for name in ("orderId", "fromId", "startTime", "endTime") if name in call.params}
    if sent not in MY_TRADES_COMBINATIONS:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    start_ms, end_ms = _time_range(call)
    order_id, first_id = call.params.integer("orderId"), call.params.integer("fromId")
    rows = [
        (order, fill)
        for order in _orders_of_symbol(call)
        for fill in order.fills
        if (order_id is None or order.order_id == order_id)
        and (first_id is None or fill.trade_id >= first_id)
        and (start_ms is None or fill.time_ms >= start_ms)
        and (end_ms is None or fill.time_ms <= end_ms)
    ]
    rows.sort(key=lambda row: row[1].trade_id)
    oldest_first = first_id is not None or start_ms is not None
    return [own_trade(*row) for row in _page(rows, oldest_first, call.params.limit())]


def _commission_rates(call: ApiRequest) -> Json:
    rate = format_decimal(call.exchange.config.fee)
    return {
        "maker": rate,
        "taker": rate,
        "buyer": format_decimal(ZERO),
        "seller": format_decimal(ZERO),
    }


async def account(call: ApiRequest) -> object:
    engine, horizon_ms = call.exchange.engine, _visible_until_ms(call)
    held = engine.account.balances if horizon_ms is None else engine.account.balances_at(horizon_ms)
    hide_zero, points = call.params.flag("omitZeroBalances"), int(call.exchange.config.fee * 10_000)
    updated = max((order.update_ms for order in _visible_orders(call)), default=0)
    balances = [
        {
            "asset": asset,
            "free": format_decimal(balance.free),
            "locked": format_decimal(balance.locked),
        }
        for asset, balance in held.items()
        if not hide_zero or balance.free or balance.locked
    ]
    return {
        "makerCommission": points,
        "takerCommission": points,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _commission_rates(call),
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


async def order_rate_limits(call: ApiRequest) -> object:
    return order_limits(call.exchange.engine.lifecycle.order_count.counts(call.now_ms))


async def commission(call: ApiRequest) -> object:
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), format_decimal(ZERO))
    return {
        "symbol": market_of(call).rules.symbol,
        "standardCommission": _commission_rates(call),
        "specialCommission": none,
        "taxCommission": none,
        "discount": call.exchange.fee_discount(),
    }
