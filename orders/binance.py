"""Binance Spot as our exchange: signed HTTP."""

import os
import threading
import time
from functools import cache
from typing import cast
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings

from market.binance import BadFrame
from market.decimals import plain
from market.rest import ExchangeClock, ExchangeRefused, ExchangeUnreachable, MarketRest
from orders import answers
from orders.exchange import Busy, ExecutionReport, OrderRequest, OutcomeUnknown, Refused
from orders.signing import signed

ORDER_PATH = "/api/v3/order"
TRADES_PATH = "/api/v3/myTrades"
TIMEOUT_S = (3.05, 12.0)  # to connect, to answer: the exchange gives its engine 10 s
RECV_WINDOW_MS = 5000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# A midpoint may err by half a round trip; a timestamp ahead of the server's is refused by no
# larger window, one behind it is.
BIAS_MS = 20
CLOCK_AGE_S = 600.0


class BinanceExchange:
    """One account at one address. Any thread may call: each has a session of its own.

    Nothing is ever sent again on its own: no retries below, no redirects, no proxies from the
    environment. The one exception is -1021, which the exchange gives for requests that surely
    were not carried out.
    """

    def __init__(self, rest_url: str, key: str, secret: str) -> None:
        self._url = rest_url.rstrip("/")
        self._key = key
        self._secret = secret
        self._local = threading.local()
        self._market = MarketRest(self._url)
        self._clock = ExchangeClock()
        self._measured_at = float("-inf")  # monotonic seconds
        self._silent_until = float("-inf")

    def __repr__(self) -> str:
        return f"BinanceExchange({urlsplit(self._url).netloc})"

    def place(self, request: OrderRequest) -> ExecutionReport:
        """Send a market order. Source: Binance Spot REST, "New order"."""
        parameters = [
            ("symbol", request.symbol),
            ("side", request.side.value),
            ("type", "MARKET"),
            ("quantity", plain(request.quantity)),
            ("newClientOrderId", request.client_order_id),
            ("newOrderRespType", "FULL"),
        ]
        return answers.placed(self._signed("POST", ORDER_PATH, parameters, request.claimed_ms))

    def lookup(
        self, symbol: str, client_order_id: str, exchange_order_id: int | None
    ) -> ExecutionReport | None:
        """What became of an order. Source: Binance Spot REST, "Query order", "Account trades".

        Asked by the exchange's id where that is known: a cancel renames the order.
        """
        which = ("origClientOrderId", client_order_id)
        if exchange_order_id is not None:
            which = ("orderId", str(exchange_order_id))
        try:
            order = answers.read_order(self._read(ORDER_PATH, [("symbol", symbol), which]))
        except Refused as refusal:
            if refusal.code == answers.NO_SUCH_ORDER:
                return None
            raise
        if not order.executed_qty:
            return answers.found(order, [])
        fills = [("symbol", symbol), ("orderId", str(order.order_id)), ("limit", "1000")]
        return answers.found(order, answers.read_trades(self._read(TRADES_PATH, fills)))

    def _read(self, path: str, parameters: list[tuple[str, str]]) -> bytes:
        return self._signed("GET", path, parameters, int(time.time() * 1000))

    def _signed(
        self, method: str, path: str, parameters: list[tuple[str, str]], at_ms: int
    ) -> bytes:
        """Sign and send; where the exchange finds our clock wrong, measure it and sign anew."""
        self._measure(older_than_s=CLOCK_AGE_S)
        try:
            return self._send(method, path, self._stamped(parameters, at_ms))
        except Refused as refusal:
            if refusal.code != answers.BAD_TIMESTAMP:
                raise
        self._measure(older_than_s=0)
        try:
            return self._send(method, path, self._stamped(parameters, at_ms))
        except Refused as refusal:
            if refusal.code != answers.BAD_TIMESTAMP:
                raise
            # By the exchange's clock the request has grown too old: it waited here.
            raise Busy(1, f"not carried out: {refusal.message}") from None

    def _stamped(self, parameters: list[tuple[str, str]], at_ms: int) -> str:
        timestamp = at_ms + self._clock.ahead_ms() - BIAS_MS
        stamp = [("recvWindow", str(RECV_WINDOW_MS)), ("timestamp", str(timestamp))]
        return signed(self._secret, parameters + stamp)

    def _send(self, method: str, path: str, payload: str) -> bytes:
        waiting_s = self._silent_until - time.monotonic()
        if waiting_s > 0:
            raise Busy(waiting_s, "not sent: the exchange asked for silence")
        try:
            answer = self._session().send(
                self._request(method, path, payload), timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            # Its text holds the address with the signature, so it is not passed on.
            if never_sent(error):
                raise Busy(1, f"not sent: no connection to {self!r}") from None
            raise OutcomeUnknown(f"{type(error).__name__} while waiting for {self!r}") from None
        if answer.status_code == 200:
            return answer.content
        try:
            answers.fail(answer.status_code, answer.headers.get("Retry-After"), answer.content)
        except Busy as busy:
            self._silent_until = time.monotonic() + busy.retry_after_s
            raise

    def _request(self, method: str, path: str, payload: str) -> requests.PreparedRequest:
        """A request that carries `payload` byte for byte, in the body or after the `?`."""
        session = self._session()
        if method == "POST":
            form = requests.Request(method, self._url + path, data=payload, headers=FORM)
            return session.prepare_request(form)
        request = session.prepare_request(requests.Request(method, self._url + path))
        request.url = f"{self._url}{path}?{payload}"
        return request

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False
            session.headers.update({"X-MBX-APIKEY": self._key, "Accept": "application/json"})
            self._local.session = session
        return cast(requests.Session, self._local.session)

    def _measure(self, *, older_than_s: float) -> None:
        """Learn the exchange's time. Nothing signed is sent while it is not known."""
        if time.monotonic() - self._measured_at <= older_than_s:
            return
        try:
            self._clock.measure(self._market)
            self._measured_at = time.monotonic()
        except (ExchangeUnreachable, ExchangeRefused, BadFrame) as error:
            wait_s = max(1.0, getattr(error, "retry_after_s", 0.0))
            self._silent_until = time.monotonic() + wait_s
            raise Busy(wait_s, f"not sent: the exchange's clock is not known ({error})") from None


def never_sent(error: requests.RequestException) -> bool:
    """Whether the connection was never made, so that nothing can have arrived."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


@cache
def exchange() -> BinanceExchange:
    """The process's exchange, with its open connections."""
    return BinanceExchange(
        settings.BINANCE_REST_URL, settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET
    )


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=exchange.cache_clear)
