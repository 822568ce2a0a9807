"""The exchange's public REST: server time, symbols, missed ticks, past klines."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import requests
from django.conf import settings

from market.ratelimit.grants import Grant, Priority, RateLimited
from market.ratelimit.limiter import RateLimiter, shared_limiter
from market.ratelimit.weights import request_weight
from market.ticks import Tick
from market.wire import (
    KlineRow,
    SymbolInfo,
    contradicts_itself,
    read_agg_trades,
    read_exchange_info,
    read_klines,
    read_order_limits,
    read_server_time,
    read_weight_limit,
)

TIMEOUT_S = (3.05, 10)  # to connect, to answer: the exchange's own bound is 10 s
NAMES_A_REQUEST = 100  # an address has to stay readable for everything on its way
FRESH_S = 3600  # klines may be wrong for a moment, not for longer
PAGE = 1000  # rows an answer holds at most
PATIENCE_S = 150  # the longest wait for weight or the end of a silence; a ban may take days


class ExchangeUnreachable(Exception):
    """No usable answer: the network, a 5xx, or a rate limit. Asking again later may help."""

    def __init__(self, text: str, retry_after_s: float = 0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class ExchangeRefused(Exception):
    """The exchange understood and said no; asking again unchanged is pointless."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class MarketRest:
    """Questions that need no key. Any thread may ask: each has a session of its own.

    With a `limiter` each one takes its weight first. Where too little is left for its
    `priority`, it raises ExchangeUnreachable, or, with `stopping`, waits until that is set.
    """

    def __init__(
        self,
        base_url: str,
        limiter: RateLimiter | None = None,
        priority: Priority = Priority.URGENT,
        stopping: threading.Event | None = None,
    ) -> None:
        self.base_url = base_url
        self._limiter = limiter
        self._priority = priority
        self._stopping = stopping
        self._local = threading.local()

    def in_background(self, stopping: threading.Event | None = None) -> "MarketRest":
        """The same for work that must not hold up others."""
        return MarketRest(self.base_url, self._limiter, Priority.BACKGROUND, stopping)

    def server_time(self) -> int:
        """The exchange's clock, in milliseconds since the epoch."""
        return read_server_time(self._get("/api/v3/time"))

    def exchange_info(self, symbols: Sequence[str]) -> list[SymbolInfo]:
        """Raises ExchangeRefused (-1121) where the exchange doesn't know one of the symbols."""
        found: list[SymbolInfo] = []
        for at in range(0, len(symbols), NAMES_A_REQUEST):
            some = list(symbols[at : at + NAMES_A_REQUEST])
            names = json.dumps(some, separators=(",", ":"), ensure_ascii=False)
            body = self._get("/api/v3/exchangeInfo", symbols=names)
            if self._limiter is not None:
                _set_limits(self._limiter, body)
            found += read_exchange_info(body)
        return found

    def agg_trades(self, symbol: str, **bounds: int) -> list[Tick]:
        """At most PAGE ticks, oldest first: from `fromId` or `startTime` on, else the newest."""
        query = {"symbol": symbol, "limit": PAGE, **bounds}
        return read_agg_trades(symbol, self._get("/api/v3/aggTrades", **query))

    def klines(
        self, symbol: str, interval: str, start_ms: int, end_ms: int
    ) -> Iterator[list[KlineRow]]:
        """Pages of klines that open within `[start_ms, end_ms)`, oldest first."""
        while start_ms < end_ms:
            rows = self.klines_page(symbol, interval, start_ms, end_ms)
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            start_ms = rows[-1][0] + 1

    def klines_page(
        self, symbol: str, interval: str, start_ms: int, end_ms: int, limit: int = PAGE
    ) -> list[KlineRow]:
        """The first `limit` klines that open within `[start_ms, end_ms)`, oldest first.

        A fresh one that contradicts itself makes the whole answer unusable for now; an old one
        is what the exchange stands by.
        """
        query = {"symbol": symbol, "interval": interval, "limit": limit}
        bounds = {"startTime": start_ms, "endTime": end_ms - 1}
        rows = read_klines(self._get("/api/v3/klines", **query, **bounds))
        fresh_ms = (time.time() - FRESH_S) * 1000
        for row in rows:
            if row[6] > fresh_ms and contradicts_itself(row):  # its close time
                raise ExchangeUnreachable(f"{symbol} {interval}: {row!r} contradicts itself")
        return rows

    def _get(self, path: str, **query: Any) -> bytes:
        grant = self._acquire(request_weight(path))
        try:
            answer = self._session().get(
                self.base_url + path, params=query, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ExchangeUnreachable(f"{self.base_url}: {_cause(error)}") from error
        if self._limiter is not None and grant is not None:
            self._limiter.sync(grant, answer.headers)
        if answer.status_code == 200:
            return answer.content
        failure = failure_of(answer)
        if self._limiter is not None and isinstance(failure, ExchangeUnreachable):
            self._limiter.block_for(failure.retry_after_s)
        raise failure

    def _acquire(self, weight: int) -> Grant | None:
        """Take a request's weight, and wait for it where that is wanted."""
        while self._limiter is not None:
            try:
                return self._limiter.acquire(weight, self._priority)
            except RateLimited as limited:
                if self._stopping is None or limited.wait_s > PATIENCE_S:
                    raise ExchangeUnreachable(str(limited), limited.wait_s) from None
                if self._stopping.wait(limited.wait_s):
                    raise ExchangeUnreachable("stopped waiting for request weight") from None
        return None

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False  # no proxy, no .netrc: the host checked is the host asked
            self._local.session = session
        session = self._local.session
        assert isinstance(session, requests.Session)  # noqa: S101  # threading.local is untyped
        return session


def _set_limits(limiter: RateLimiter, body: bytes) -> None:
    """Keep to the limits that exchange information gives; those it doesn't give stay."""
    if (weight := read_weight_limit(body)) is not None:
        limiter.set_weight_limit(weight)
    if orders := read_order_limits(body):
        limiter.set_order_limits(orders)


def failure_of(answer: requests.Response) -> ExchangeUnreachable | ExchangeRefused:
    """What an answer other than 200 means: by status first, the body may not be JSON."""
    if answer.status_code in {418, 429}:
        wait = _seconds(answer.headers.get("Retry-After"))
        return ExchangeUnreachable(f"rate limit reached, wait {wait:.0f} s", wait)
    if answer.status_code >= 500 or answer.status_code == 403:
        return ExchangeUnreachable(f"the exchange answered {answer.status_code}")
    try:
        error = answer.json()
        return ExchangeRefused(int(error["code"]), str(error["msg"]))
    except (ValueError, KeyError, TypeError):
        return ExchangeUnreachable(f"the exchange answered {answer.status_code} and no JSON")


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:  # none, or a date, which the exchange doesn't send
        return 60.0


def _cause(error: requests.RequestException) -> str:
    """The innermost reason, without the addresses that urllib3 wraps it in."""
    reason: BaseException = error
    while (inner := reason.__cause__ or reason.__context__) is not None:
        reason = inner
    return str(reason) or type(reason).__name__


def market_rest() -> MarketRest:
    """The exchange of the settings, with the rate limiter that all processes share."""
    return MarketRest(settings.BINANCE_REST_URL, shared_limiter(settings.BINANCE_REST_URL))
