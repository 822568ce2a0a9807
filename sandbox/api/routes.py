"""Endpoints by REST path and by method of the WebSocket API. Source: protocol D.4, G.3."""

from collections.abc import Iterable

from sandbox.api import account_queries, exchange_info, market_data, session, trading
from sandbox.api.limits import (
    WeightRule,
    depth_weight,
    fixed_weight,
    my_trades_weight,
    test_order_weight,
    ticker_day_weight,
    weight_by_symbols,
)
from sandbox.api.request import Endpoint, Handler, Methods, Routes

PLACING_PARAMETERS = (
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
REPLACING_PARAMETERS = (
    *PLACING_PARAMETERS,
    "cancelReplaceMode",
    "cancelOrderId",
    "cancelOrigClientOrderId",
    "cancelNewClientOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
)
SYMBOL, SYMBOLS = ("symbol",), ("symbol", "symbols")
NAMING_PARAMETERS = ("symbol", "orderId", "origClientOrderId")
CANCELLING_PARAMETERS = (*NAMING_PARAMETERS, "newClientOrderId", "cancelRestrictions")
TIME_RANGE = ("startTime", "endTime", "limit")


def _signed(handle: Handler, parameters: Iterable[str], weight: WeightRule) -> Endpoint:
    return Endpoint(handle, tuple(parameters), weight, is_signed=True)


def _order(handle: Handler, parameters: Iterable[str], action: str) -> Endpoint:
    """An endpoint for orders: free of weight where it succeeds, and always logged."""
    return Endpoint(
        handle,
        tuple(parameters),
        fixed_weight(1),
        is_signed=True,
        refunds_weight=True,
        order_action=action,
    )


PING = Endpoint(market_data.ping, (), fixed_weight(1))
TIME = Endpoint(market_data.server_time, (), fixed_weight(1))
EXCHANGE_INFO = Endpoint(exchange_info.exchange_info, (*SYMBOLS, "symbolStatus"), fixed_weight(20))
DEPTH = Endpoint(market_data.depth, (*SYMBOL, "limit"), depth_weight)
TRADES = Endpoint(market_data.trades, (*SYMBOL, "limit"), fixed_weight(25))
HISTORICAL_TRADES = Endpoint(
    market_data.historical_trades, (*SYMBOL, "limit", "fromId"), fixed_weight(25)
)
AGG_TRADES = Endpoint(market_data.agg_trades, (*SYMBOL, "fromId", *TIME_RANGE), fixed_weight(4))
KLINES = Endpoint(market_data.klines, (*SYMBOL, "interval", *TIME_RANGE), fixed_weight(2))
AVERAGE_PRICE = Endpoint(market_data.average_price, SYMBOL, fixed_weight(2))
TICKER_PRICE = Endpoint(market_data.ticker_price, SYMBOLS, weight_by_symbols(2, 4))
TICKER_BOOK = Endpoint(market_data.ticker_book, SYMBOLS, weight_by_symbols(2, 4))
TICKER_DAY = Endpoint(market_data.ticker_day, SYMBOLS, ticker_day_weight)
PLACE = _order(trading.place_order, PLACING_PARAMETERS, "place")
TEST = _signed(
    trading.test_order, (*PLACING_PARAMETERS, "computeCommissionRates"), test_order_weight
)
REPLACE = _order(trading.replace_order, REPLACING_PARAMETERS, "replace")
CANCEL = _order(trading.cancel_order, CANCELLING_PARAMETERS, "cancel")
CANCEL_ALL = _order(trading.cancel_open_orders, SYMBOL, "cancel_all")
ORDER = _signed(account_queries.query_order, NAMING_PARAMETERS, fixed_weight(4))
OPEN_ORDERS = _signed(account_queries.open_orders, SYMBOL, weight_by_symbols(6, 80))
ALL_ORDERS = _signed(
    account_queries.all_orders, ("symbol", "orderId", *TIME_RANGE), fixed_weight(20)
)
MY_TRADES = _signed(
    account_queries.my_trades, ("symbol", "orderId", "fromId", *TIME_RANGE), my_trades_weight
)
ACCOUNT = _signed(account_queries.account, ("omitZeroBalances",), fixed_weight(20))
ORDER_LIMITS = _signed(account_queries.order_rate_limits, (), fixed_weight(40))
COMMISSION = _signed(account_queries.commission, SYMBOL, fixed_weight(20))

ROUTES: Routes = {
    ("GET", "/api/v3/ping"): PING,
    ("GET", "/api/v3/time"): TIME,
    ("GET", "/api/v3/exchangeInfo"): EXCHANGE_INFO,
    ("GET", "/api/v3/depth"): DEPTH,
    ("GET", "/api/v3/trades"): TRADES,
    ("GET", "/api/v3/historicalTrades"): HISTORICAL_TRADES,
    ("GET", "/api/v3/aggTrades"): AGG_TRADES,
    ("GET", "/api/v3/klines"): KLINES,
    ("GET", "/api/v3/uiKlines"): KLINES,
    ("GET", "/api/v3/avgPrice"): AVERAGE_PRICE,
    ("GET", "/api/v3/ticker/price"): TICKER_PRICE,
    ("GET", "/api/v3/ticker/bookTicker"): TICKER_BOOK,
    ("GET", "/api/v3/ticker/24hr"): TICKER_DAY,
    ("POST", "/api/v3/order"): PLACE,
    ("POST", "/api/v3/order/test"): TEST,
    ("POST", "/api/v3/order/cancelReplace"): REPLACE,
    ("GET", "/api/v3/order"): ORDER,
    ("DELETE", "/api/v3/order"): CANCEL,
    ("DELETE", "/api/v3/openOrders"): CANCEL_ALL,
    ("GET", "/api/v3/openOrders"): OPEN_ORDERS,
    ("GET", "/api/v3/allOrders"): ALL_ORDERS,
    ("GET", "/api/v3/myTrades"): MY_TRADES,
    ("GET", "/api/v3/account"): ACCOUNT,
    ("GET", "/api/v3/account/commission"): COMMISSION,
    ("GET", "/api/v3/rateLimit/order"): ORDER_LIMITS,
}
METHODS: Methods = {
    "ping": PING,
    "time": TIME,
    "exchangeInfo": EXCHANGE_INFO,
    "depth": DEPTH,
    "trades.recent": TRADES,
    "trades.historical": HISTORICAL_TRADES,
    "trades.aggregate": AGG_TRADES,
    "klines": KLINES,
    "uiKlines": KLINES,
    "avgPrice": AVERAGE_PRICE,
    "ticker.price": TICKER_PRICE,
    "ticker.book": TICKER_BOOK,
    "ticker.24hr": TICKER_DAY,
    "order.place": PLACE,
    "order.test": TEST,
    "order.cancelReplace": REPLACE,
    "order.status": ORDER,
    "order.cancel": CANCEL,
    "openOrders.cancelAll": CANCEL_ALL,
    "openOrders.status": OPEN_ORDERS,
    "allOrders": ALL_ORDERS,
    "myTrades": MY_TRADES,
    "account.status": ACCOUNT,
    "account.commission": COMMISSION,
    "account.rateLimits.orders": ORDER_LIMITS,
    "session.logon": _signed(session.logon, (), fixed_weight(2)),
    "session.status": Endpoint(session.status, (), fixed_weight(2)),
    "session.logout": Endpoint(session.status, (), fixed_weight(2)),
    "session.subscriptions": Endpoint(session.subscriptions, (), fixed_weight(2)),
    "userDataStream.subscribe": Endpoint(session.subscribe_logged_on, (), fixed_weight(2)),
    "userDataStream.subscribe.signature": _signed(session.subscribe, (), fixed_weight(2)),
    "userDataStream.unsubscribe": Endpoint(
        session.unsubscribe, ("subscriptionId",), fixed_weight(2)
    ),
}
