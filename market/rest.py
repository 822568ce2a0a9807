"""The exchange's public REST: server time, symbols, missed ticks, past klines."""

import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

import requests
from django.conf import settings

from market.binance import (
    KlineRow,
    SymbolInfo,
    read_agg_trades,
    read_exchange_info,
    read_klines,
    read_server_time,
)
from market.ticks import Tick

TIMEOUT_S = (3.05, 10)  # to connect, to answer: the exchange's own bound is 10 s
LONGEST_WAY_MS = 1_000  # there and back; a slower answer says too little of the time
PAGE = 1000  # rows an answer holds at most


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
    """Questions that need no key. Any thread may ask: each has a session of its own."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._local = threading.local()

    def server_time(self) -> int:
        """The exchange's clock, in milliseconds since the epoch."""
        return read_server_time(self._get("/api/v3/time"))

    def exchange_info(self, symbol: str) -> SymbolInfo:
        """Raises ExchangeRefused (-1121) for a symbol that the exchange doesn't know."""
        return read_exchange_info(self._get("/api/v3/exchangeInfo", symbol=symbol))[0]

    def agg_trades(self, symbol: str, **bounds: int) -> list[Tick]:
        """At most PAGE ticks, oldest first: from `fromId` or `startTime` on, else the newest."""
        query = {"symbol": symbol, "limit": PAGE, **bounds}
        return read_agg_trades(symbol, self._get("/api/v3/aggTrades", **query))

    def klines(
        self, symbol: str, interval: str, start_ms: int, end_ms: int
    ) -> Iterator[list[KlineRow]]:
        """Pages of klines that open within `[start_ms, end_ms)`, oldest first."""
        while start_ms < end_ms:
            bounds = {"startTime": start_ms, "endTime": end_ms - 1, "limit": PAGE}
            rows = read_klines(
                self._get("/api/v3/klines", symbol=symbol, interval=interval, **bounds)
            )
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            start_ms = rows[-1][0] + 1

    def _get(self, path: str, **query: Any) -> bytes:
        try:
            answer = self._session().get(
                self.base_url + path, params=query, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ExchangeUnreachable(f"{self.base_url}: {_cause(error)}") from error
        if answer.status_code == 200:
            return answer.content
        raise failure_of(answer)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False  # no proxy, no .netrc: the host checked is the host asked
            self._local.session = session
        session = self._local.session
        assert isinstance(session, requests.Session)  # noqa: S101  # threading.local is untyped
        return session


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


class Timekeeper(Protocol):
    def server_time(self) -> int: ...


class ExchangeClock:
    """The exchange's time, measured against our monotonic clock.

    `measure` takes the best of a few samples: the one with the shortest way there and back.
    """

    SAMPLES = 3

    def __init__(self) -> None:
        self._offset_ms: float | None = None  # exchange time minus monotonic time

    @property
    def known(self) -> bool:
        return self._offset_ms is not None

    def measure(self, rest: Timekeeper) -> None:
        best_way = float("inf")
        for _ in range(self.SAMPLES):
            sent = time.monotonic() * 1000
            server_ms = rest.server_time()
            received = time.monotonic() * 1000
            if received - sent < best_way and (received - sent < LONGEST_WAY_MS or not self.known):
                best_way = received - sent
                self._offset_ms = server_ms - (sent + received) / 2

    def now_ms(self) -> int:
        """Milliseconds since the epoch; the local wall clock until the first measurement."""
        if self._offset_ms is None:
            return int(time.time() * 1000)
        return int(time.monotonic() * 1000 + self._offset_ms)

    def ahead_ms(self) -> int:
        """How far the exchange's clock is ahead of our wall clock."""
        return self.now_ms() - int(time.time() * 1000)


def market_rest() -> MarketRest:
    return MarketRest(settings.BINANCE_REST_URL)
