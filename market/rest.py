"""Public REST of the exchange: server time, symbols, missed ticks, past klines."""

import json
import threading
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from foundation.times import now_ms
from market.clock import ExchangeClock
from market.failures import ExchangeUnreachable
from market.ratelimit.grants import Grant, Priority, RateLimited
from market.ratelimit.limiter import RateLimiter, shared_limiter
from market.ratelimit.weights import request_weight
from market.ticks import Tick
from market.transport import HttpTransport, not_sent
from market.wire.bounds import MAX_ID, MAX_TIME_MS
from market.wire.rest import (
    KlineRow,
    SymbolInfo,
    check_ascending,
    check_interval,
    contradicts_itself,
    read_agg_trades,
    read_exchange_info,
    read_klines,
    read_order_limits,
    read_server_time,
    read_weight_limit,
)
from market.wire.rows import Rows

HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
ANSWER_TIMEOUT_S = 10.0  # the exchange's own bound
MAX_SYMBOLS_PER_REQUEST = 100  # an address has to stay readable for everything on its way
FRESH_MS = 3_600_000  # klines may be wrong for a moment, not for longer
MAX_ROWS = 1000  # an answer holds no more
MAX_WAIT_S = 150  # for weight or the end of a block; a ban may take days


class MarketRest:
    """Public requests, which need no key. Any thread may ask.

    Raises Refused, ExchangeUnreachable where asking again later may help, and BadFrame for an
    answer that is not as documented. With a `limiter` each request takes its weight first; where
    too little is left for its `priority`, it is Busy, or, with `stopping`, waits until that is set.
    """

    def __init__(
        self,
        base_url: str,
        limiter: RateLimiter | None = None,
        priority: Priority = Priority.URGENT,
        stopping: threading.Event | None = None,
    ) -> None:
        self._transport = HttpTransport(base_url, HEADERS, limiter, ANSWER_TIMEOUT_S)
        self._limiter = limiter
        self._priority = priority
        self._stopping = stopping
        self.clock: ExchangeClock | None = None  # bounds the times of trades, where one is given

    def in_background(self, stopping: threading.Event | None = None) -> "MarketRest":
        """The same, connections included, for work that must not hold up others."""
        background = copy(self)
        background._priority, background._stopping = Priority.BACKGROUND, stopping
        return background

    def server_time(self) -> int:
        """The exchange's clock, in milliseconds since the epoch."""
        return read_server_time(self._get("/api/v3/time"))

    def exchange_info(self, symbols: Sequence[str]) -> list[SymbolInfo]:
        """Of those of the `symbols` of which the answers say something usable, and of no other.

        Raises Refused (-1121) where the exchange doesn't know one of them.
        """
        found: list[SymbolInfo] = []
        for at in range(0, len(symbols), MAX_SYMBOLS_PER_REQUEST):
            some = list(symbols[at : at + MAX_SYMBOLS_PER_REQUEST])
            names = json.dumps(some, separators=(",", ":"), ensure_ascii=False)
            body = self._get("/api/v3/exchangeInfo", symbols=names)
            if self._limiter is not None:
                _set_limits(self._limiter, body)
            found += read_exchange_info(body, some)
        return found

    def agg_trades(self, symbol: str, **bounds: int) -> Rows[Tick]:
        """Up to MAX_ROWS ticks, oldest first: from `fromId` or `startTime` on, else the newest.

        Raises BadFrame where they are others than were asked for.
        """
        query = {"symbol": symbol, "limit": MAX_ROWS, **bounds}
        body = self._get("/api/v3/aggTrades", **query)
        latest_ms = MAX_TIME_MS if self.clock is None else self.clock.latest_ms()
        rows = read_agg_trades(symbol, body, min(latest_ms, bounds.get("endTime", latest_ms)))
        check_ascending([row.tick_id for row in rows], bounds.get("fromId", 0), MAX_ID)
        return rows

    def klines(
        self, symbol: str, interval: str, start_ms: int, end_ms: int
    ) -> Iterator[Rows[KlineRow]]:
        """Pages of klines that open within `[start_ms, end_ms)`, oldest first."""
        while start_ms < end_ms:
            rows = self.klines_page(symbol, interval, start_ms, end_ms)
            if rows:
                yield rows
            if rows.listed < MAX_ROWS or not rows:
                return
            start_ms = rows[-1][0] + 1

    def klines_page(
        self, symbol: str, interval: str, start_ms: int, end_ms: int | None, limit: int = MAX_ROWS
    ) -> Rows[KlineRow]:
        """The first `limit` klines that open within `[start_ms, end_ms)`, oldest first.

        Without `end_ms` the last one may still be open.

        A fresh one that contradicts itself makes the whole answer unusable for now; an old one
        is what the exchange stands by. Raises BadFrame where they are others than asked for.
        """
        query = {"symbol": symbol, "interval": interval, "limit": limit}
        bounds = {"startTime": start_ms} | ({} if end_ms is None else {"endTime": end_ms - 1})
        rows = read_klines(self._get("/api/v3/klines", **query, **bounds))
        check_ascending([row[0] for row in rows], start_ms, (end_ms or MAX_TIME_MS) - 1)
        check_interval(rows, interval, now_ms())
        fresh_ms = now_ms() - FRESH_MS
        for row in rows:
            if row[6] > fresh_ms and contradicts_itself(row):  # its close time
                raise ExchangeUnreachable(f"{symbol} {interval}: {row!r} contradicts itself")
        return rows

    def _get(self, path: str, **query: Any) -> bytes:
        grant = self._acquire(request_weight(path))
        return self._transport.send("GET", path, urlencode(query), grant).body

    def _acquire(self, weight: int) -> Grant | None:
        """Take a request's weight, and wait for it where that is wanted."""
        while self._limiter is not None:
            try:
                return self._limiter.acquire(weight, self._priority)
            except RateLimited as limited:
                if self._stopping is None or limited.wait_s > MAX_WAIT_S:
                    raise not_sent(limited) from None
                if self._stopping.wait(limited.wait_s):
                    raise ExchangeUnreachable("stopped waiting for request weight") from None
        return None


def _set_limits(limiter: RateLimiter, body: bytes) -> None:
    """Keep to the limits that exchange information gives; those it doesn't give stay."""
    if (weight := read_weight_limit(body)) is not None:
        limiter.set_weight_limit(weight)
    if orders := read_order_limits(body):
        limiter.set_order_limits(orders)


def market_rest() -> MarketRest:
    """The exchange of the settings, with the rate limiter that all processes share."""
    return MarketRest(settings.BINANCE_REST_URL, shared_limiter(settings.BINANCE_REST_URL))
