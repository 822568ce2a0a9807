"""Exchange adapter for Binance Spot: signed HTTP."""

import os
import time
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TypeVar

from django.conf import settings

from foundation.decimals import plain
from foundation.times import now_ms
from market.clock import ExchangeClock
from market.ratelimit.grants import Grant, OrderPriority, Priority, RateLimited
from market.ratelimit.limiter import shared_limiter
from market.ratelimit.weights import request_weight
from market.ticks import Side
from market.transport import Answer, HttpTransport, not_sent
from market.wire.bounds import BadFrame
from market.wire.rest import read_server_time
from market.wire.rows import Rows
from orders.venue import wire
from orders.venue.exchange import (
    Busy,
    ExecutionReport,
    ListedOrder,
    ListedTrade,
    OrderRequest,
    OutcomeUnknown,
    Refused,
)
from orders.venue.signing import signed

T = TypeVar("T")
Where = tuple[str, str]  # the parameter that says from where on a page is
ACCOUNT_PATH = "/api/v3/account"
ORDER_PATH = "/api/v3/order"
OPEN_ORDERS_PATH = "/api/v3/openOrders"
ALL_ORDERS_PATH = "/api/v3/allOrders"
TRADES_PATH = "/api/v3/myTrades"
TIME_PATH = "/api/v3/time"
PAGE_SIZE = 1000  # rows an answer holds at most
CANCELLED = "-c"  # ends the client id that a cancel gives to an order
KEPT_OF_NAME = 36 - len(CANCELLED)  # characters; a client order id has 36 at most
ANSWER_TIMEOUT_S = 12.0  # the exchange gives its engine 10 s
RECV_WINDOW_MS = 5000
# A midpoint may err by half a round trip; a timestamp ahead of the server's is refused by no
# larger window, one behind it is.
BIAS_MS = 20
CLOCK_AGE_S = 600.0
MEASURE_AGAIN_S = 1.0  # orders that wait for the clock don't each try in vain
IDLE_S = 20.0  # a connection that lies idle much longer may be closed at the other end


class BinanceExchange:
    """One account at one address. Any thread may call; they share the open connections.

    Nothing is ever sent again on its own (see HttpTransport). The one exception is -1021, which
    the exchange gives for requests that surely were not carried out.

    What all processes share of the exchange's limits is taken first: slots for each order, and
    for each reading request its weight. What became of an order and what there is to spend are
    urgent, lists and the account as a whole are background. Placing has no weight and takes none.
    """

    def __init__(self, rest_url: str, key: str, secret: str) -> None:
        self._secret = secret
        self._limiter = shared_limiter(rest_url)
        headers = {"X-MBX-APIKEY": key, "Accept": "application/json"}
        self._transport = HttpTransport(rest_url, headers, self._limiter, ANSWER_TIMEOUT_S)
        self._clock = ExchangeClock()
        self._clock_lost = False
        self._measured_at = float("-inf")  # monotonic seconds
        self._measure_again_at = float("-inf")

    def __repr__(self) -> str:
        return f"BinanceExchange({self._transport.host})"

    @property
    def clock_known(self) -> bool:
        """False where the exchange's time was asked for in vain and is not known from before."""
        return self._clock.known or not self._clock_lost

    def place(self, request: OrderRequest) -> ExecutionReport:
        """Send a market or stop order. Source: Binance Spot REST, "New order".

        It takes its slots among the orders that the exchange allows: one round trip to Redis.
        """
        parameters = [
            ("symbol", request.symbol),
            ("side", request.side.value),
            *_type_of(request),
            ("quantity", plain(request.quantity)),
            ("newClientOrderId", request.client_order_id),
            ("newOrderRespType", "FULL"),
        ]
        self._measure(older_than_s=CLOCK_AGE_S)
        try:
            buys = request.side is Side.BUY
            priority = OrderPriority.ENTRY if buys else OrderPriority.EXIT
            slots = self._limiter.acquire_order(priority)
        except RateLimited as limited:
            raise not_sent(limited) from None
        body, headers = self._signed("POST", ORDER_PATH, parameters, request.claimed_ms)
        self._limiter.sync_orders(slots, headers)
        return wire.read_placement(body, request)

    def cancel(self, symbol: str, client_order_id: str, exchange_order_id: int) -> ExecutionReport:
        """Source: Binance Spot REST, "Cancel order". It counts against none of the limits.

        Number and name must agree: after a reset the number may be another order's. The cancel
        gives the order a new client id, made of its own.
        """
        parameters = [
            ("symbol", symbol),
            ("orderId", str(exchange_order_id)),
            ("origClientOrderId", client_order_id),
            (
                "newClientOrderId",
                f"{client_order_id[:KEPT_OF_NAME]}{CANCELLED}",
            ),
        ]
        self._measure(older_than_s=CLOCK_AGE_S)
        body, _ = self._signed("DELETE", ORDER_PATH, parameters, now_ms())
        return wire.order_report(wire.read_order(body, symbol, exchange_order_id), [])

    def lookup(
        self, symbol: str, client_order_id: str, exchange_order_id: int | None
    ) -> ExecutionReport | None:
        """The state of an order. Source: Binance Spot REST, "Query order", "Account trades".

        Asked by the exchange's id where that is known: a cancel renames the order.
        """
        which = ("origClientOrderId", client_order_id)
        if exchange_order_id is not None:
            which = ("orderId", str(exchange_order_id))
        try:
            body = self._read(ORDER_PATH, [("symbol", symbol), which], Priority.URGENT)
        except Refused as refusal:
            if refusal.code == wire.NO_SUCH_ORDER:
                return None
            raise
        order = wire.read_order(body, symbol, exchange_order_id)
        if exchange_order_id is None and order.client_order_id != client_order_id:
            raise OutcomeUnknown(f"{order.client_order_id} was answered, not {client_order_id}")
        if not order.executed_qty:
            return wire.order_report(order, [])
        fills = [("symbol", symbol), ("orderId", str(order.order_id)), ("limit", "1000")]
        body = self._read(TRADES_PATH, fills, Priority.URGENT)
        trades = wire.read_trades(body, symbol, order.order_id)
        if trades.left_out:
            raise OutcomeUnknown(f"{trades.left_out} fills of {symbol} could not be read")
        return wire.order_report(order, trades)

    def open_orders(self, symbol: str) -> Rows[ListedOrder]:
        """Source: Binance Spot REST, "Current open orders"."""
        return wire.read_orders(self._read(OPEN_ORDERS_PATH, [("symbol", symbol)]), symbol)

    def orders_since(self, symbol: str, start_ms: int) -> Rows[ListedOrder]:
        """Source: Binance Spot REST, "All orders"."""

        def page(where: tuple[str, str]) -> Rows[ListedOrder]:
            return wire.read_orders(self._read(ALL_ORDERS_PATH, _page_of(symbol, where)), symbol)

        start = ("startTime", self._theirs(start_ms))
        return _pages(page, start, lambda last: ("orderId", str(last.exchange_order_id + 1)))

    def trades_since(self, symbol: str, start_ms: int) -> Rows[ListedTrade]:
        """Source: Binance Spot REST, "Account trade list"."""

        def page(where: tuple[str, str]) -> Rows[ListedTrade]:
            return wire.read_trades(self._read(TRADES_PATH, _page_of(symbol, where)), symbol)

        start = ("startTime", self._theirs(start_ms))
        return _pages(page, start, lambda last: ("fromId", str(last.fill.trade_id + 1)))

    def balances(self) -> dict[str, Decimal]:
        """Source: Binance Spot REST, "Account information"."""
        return wire.read_balances(self._read(ACCOUNT_PATH, []))

    def free_balances(self) -> dict[str, Decimal]:
        """Free balances. Source: Binance Spot REST, "Account information"."""
        only_some = [("omitZeroBalances", "true")]
        return wire.read_free_balances(self._read(ACCOUNT_PATH, only_some, Priority.URGENT))

    def keep_ready(self) -> None:
        """Have an open connection and a fresh clock, so that an order waits for neither.

        The exchange closes what lies idle. Raises Busy where it does not answer.
        """
        self._measure(older_than_s=IDLE_S)

    def server_time(self) -> int:
        """The exchange's clock, asked over the connections that orders take."""
        self._acquire(request_weight(TIME_PATH), Priority.URGENT)
        return read_server_time(self._transport.send("GET", TIME_PATH).body)

    def _theirs(self, ours_ms: int) -> str:
        """A time of our clock by the exchange's."""
        self._measure(older_than_s=CLOCK_AGE_S)
        return str(ours_ms + self._clock.ahead_ms())

    def _read(
        self,
        path: str,
        parameters: list[tuple[str, str]],
        priority: Priority = Priority.BACKGROUND,
    ) -> bytes:
        """Ask, within the shared rate limit. Raises Busy where too little of that is left."""
        self._measure(older_than_s=CLOCK_AGE_S)
        grant = self._acquire(request_weight(path, dict(parameters)), priority)
        return self._signed("GET", path, parameters, now_ms(), grant).body

    def _acquire(self, weight: int, priority: Priority) -> Grant:
        """Take a request's weight. Raises Busy where none is left."""
        try:
            return self._limiter.acquire(weight, priority)
        except RateLimited as limited:
            raise not_sent(limited) from None

    def _signed(
        self,
        method: str,
        path: str,
        parameters: list[tuple[str, str]],
        at_ms: int,
        grant: Grant | None = None,
    ) -> Answer:
        """Sign and send; where the exchange finds our clock wrong, measure it and sign anew."""
        try:
            return self._transport.send(method, path, self._stamped(parameters, at_ms), grant)
        except Refused as refusal:
            if refusal.code != wire.BAD_TIMESTAMP:
                raise
        self._measure(older_than_s=0)
        try:
            return self._transport.send(method, path, self._stamped(parameters, at_ms), grant)
        except Refused as refusal:
            if refusal.code != wire.BAD_TIMESTAMP:
                raise
            # By the exchange's clock the request has grown too old: it waited here.
            raise Busy(1, f"not carried out: {refusal.message}") from None

    def _stamped(self, parameters: list[tuple[str, str]], at_ms: int) -> str:
        timestamp = at_ms + self._clock.ahead_ms() - BIAS_MS
        stamp = [("recvWindow", str(RECV_WINDOW_MS)), ("timestamp", str(timestamp))]
        return signed(self._secret, parameters + stamp)

    def _measure(self, *, older_than_s: float) -> None:
        """Learn the exchange's time. Nothing signed is sent while it is not known."""
        if time.monotonic() - self._measured_at <= older_than_s:
            return
        wait_s = self._measure_again_at - time.monotonic()
        if wait_s > 0:
            raise Busy(wait_s, "not sent: the exchange's clock is not known")
        try:
            self._clock.sync(self)
            self._measured_at = time.monotonic()
        except (Refused, Busy, OutcomeUnknown, BadFrame) as error:
            self._clock_lost = True
            wait_s = max(MEASURE_AGAIN_S, getattr(error, "retry_after_s", 0.0))
            self._measure_again_at = time.monotonic() + MEASURE_AGAIN_S
            raise Busy(wait_s, f"not sent: the exchange's clock is not known ({error})") from None


def _pages(page: Callable[[Where], Rows[T]], start: Where, behind: Callable[[T], Where]) -> Rows[T]:
    """All rows from `start` on. Raises OutcomeUnknown where a full page has none to go on from."""
    found = rows = page(start)
    while rows.listed >= PAGE_SIZE:
        if not rows:
            raise OutcomeUnknown(f"none of {rows.listed} rows could be read")
        rows = page(behind(rows[-1]))
        found = Rows([*found, *rows], found.left_out + rows.left_out)
    return found


def _page_of(symbol: str, where: tuple[str, str]) -> list[tuple[str, str]]:
    return [("symbol", symbol), where, ("limit", str(PAGE_SIZE))]


def _type_of(request: OrderRequest) -> list[tuple[str, str]]:
    if request.stop_price is None:
        return [("type", "MARKET")]
    return [("type", "STOP_LOSS"), ("stopPrice", plain(request.stop_price))]


@cache
def exchange() -> BinanceExchange:
    """The process's exchange, with its open connections."""
    return BinanceExchange(
        settings.BINANCE_REST_URL, settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET
    )


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=exchange.cache_clear)
