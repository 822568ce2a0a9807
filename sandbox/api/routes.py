"""What can be asked for, by REST path and by method of the WebSocket API. Source: D.4, G.3."""

from collections.abc import Iterable

from sandbox.api import account_queries, market_data, session, trading
from sandbox.api.market_data import fixed_weight, weight_by_symbols
from sandbox.api.params import RequestParams
from sandbox.api.request import Endpoint, Handler, Methods, Routes, WeightRule

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
REPLACING = (
    *PLACING,
    "cancelReplaceMode",
    "cancelOrderId",
    "cancelOrigClientOrderId",
    "cancelNewClientOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
)
ONE, ONE_OR_SOME = ("symbol",), ("symbol", "symbols")
NAMING = ("symbol", "orderId", "origClientOrderId")
CANCELLING = (*NAMING, "newClientOrderId", "cancelRestrictions")
TIMES = ("startTime", "endTime", "limit")


def try_weight(params: RequestParams) -> int:
    return 20 if "computeCommissionRates" in params else 1


def my_trades_weight(params: RequestParams) -> int:
    return 5 if "orderId" in params else 20


def _signed(handle: Handler, names: Iterable[str], weight: WeightRule) -> Endpoint:
    return Endpoint(handle, tuple(names), weight, is_signed=True)


def _order(handle: Handler, names: Iterable[str], action: str) -> Endpoint:
    """What costs nothing where it works, and is always written down."""
    return Endpoint(
        handle,
        tuple(names),
        fixed_weight(1),
        is_signed=True,
        refunds_weight=True,
        order_action=action,
    )


PING = Endpoint(market_data.ping, (), fixed_weight(1))
TIME = Endpoint(market_data.server_time, (), fixed_weight(1))
EXCHANGE_INFO = Endpoint(
    market_data.exchange_info, (*ONE_OR_SOME, "symbolStatus"), fixed_weight(20)
)
DEPTH = Endpoint(market_data.depth, (*ONE, "limit"), market_data.depth_weight)
TRADES = Endpoint(market_data.trades, (*ONE, "limit"), fixed_weight(25))
OLD_TRADES = Endpoint(market_data.historical_trades, (*ONE, "limit", "fromId"), fixed_weight(25))
AGG_TRADES = Endpoint(market_data.agg_trades, (*ONE, "fromId", *TIMES), fixed_weight(4))
KLINES = Endpoint(market_data.klines, (*ONE, "interval", *TIMES), fixed_weight(2))
AVERAGE = Endpoint(market_data.average_price, ONE, fixed_weight(2))
PRICE = Endpoint(market_data.ticker_price, ONE_OR_SOME, weight_by_symbols(2, 4))
BOOK = Endpoint(market_data.ticker_book, ONE_OR_SOME, weight_by_symbols(2, 4))
DAY = Endpoint(market_data.ticker_day, ONE_OR_SOME, market_data.ticker_day_weight)
PLACE = _order(trading.place_order, PLACING, "place")
TRY = _signed(trading.test_order, (*PLACING, "computeCommissionRates"), try_weight)
REPLACE = _order(trading.replace_order, REPLACING, "replace")
CANCEL = _order(trading.cancel_order, CANCELLING, "cancel")
CANCEL_ALL = _order(trading.cancel_open_orders, ONE, "cancel_all")
ORDER = _signed(account_queries.query_order, NAMING, fixed_weight(4))
OPEN_ORDERS = _signed(account_queries.open_orders, ONE, weight_by_symbols(6, 80))
ALL_ORDERS = _signed(account_queries.all_orders, ("symbol", "orderId", *TIMES), fixed_weight(20))
MY_TRADES = _signed(
    account_queries.my_trades, ("symbol", "orderId", "fromId", *TIMES), my_trades_weight
)
ACCOUNT = _signed(account_queries.account, ("omitZeroBalances",), fixed_weight(20))
ORDER_LIMITS = _signed(account_queries.order_rate_limits, (), fixed_weight(40))
COMMISSION = _signed(account_queries.commission, ONE, fixed_weight(20))

ROUTES: Routes = {
    ("GET", "/api/v3/ping"): PING,
    ("GET", "/api/v3/time"): TIME,
    ("GET", "/api/v3/exchangeInfo"): EXCHANGE_INFO,
    ("GET", "/api/v3/depth"): DEPTH,
    ("GET", "/api/v3/trades"): TRADES,
    ("GET", "/api/v3/historicalTrades"): OLD_TRADES,
    ("GET", "/api/v3/aggTrades"): AGG_TRADES,
    ("GET", "/api/v3/klines"): KLINES,
    ("GET", "/api/v3/uiKlines"): KLINES,
    ("GET", "/api/v3/avgPrice"): AVERAGE,
    ("GET", "/api/v3/ticker/price"): PRICE,
    ("GET", "/api/v3/ticker/bookTicker"): BOOK,
    ("GET", "/api/v3/ticker/24hr"): DAY,
    ("POST", "/api/v3/order"): PLACE,
    ("POST", "/api/v3/order/test"): TRY,
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
    "trades.historical": OLD_TRADES,
    "trades.aggregate": AGG_TRADES,
    "klines": KLINES,
    "uiKlines": KLINES,
    "avgPrice": AVERAGE,
    "ticker.price": PRICE,
    "ticker.book": BOOK,
    "ticker.24hr": DAY,
    "order.place": PLACE,
    "order.test": TRY,
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
