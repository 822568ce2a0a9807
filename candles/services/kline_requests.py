"""Requests for the klines of stored or missing candles, without those that don't exist.

What the exchange has no kline of (a market that was halted, a testnet that was reset) is not asked
for again for a while. Those open times stand in Redis, with the time until when:

    candles:absent:{symbol}:{interval}   sorted set   open time in ms, by the ms until when
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import redis
import structlog

from candles.intervals import HOUR_MS, INTERVALS_MS
from candles.klines import from_kline
from candles.ohlcv import OHLCV
from market.failures import Refused
from market.models import Symbol
from market.rest import MAX_ROWS, MarketRest
from market.wire.bounds import BadFrame

logger = structlog.get_logger(__name__)

MAX_REQUESTS = 20  # in one sweep
ASK_AGAIN_MS = HOUR_MS
YOUNG_MS = 60_000  # the kline of a candle that closed this lately may still come
NO_KLINES: Mapping[int, OHLCV] = MappingProxyType({})
OpenTimes = dict[tuple[Symbol, str], list[int]]  # in ms, ascending, by symbol and interval


class Klines(dict[int, OHLCV]):
    """Klines by open time; not `complete` where the answer had rows that could not be read."""

    def __init__(self, klines: Mapping[int, OHLCV] = NO_KLINES, *, complete: bool = True) -> None:
        super().__init__(klines)
        self.complete = complete


@dataclass(frozen=True)
class KlineRequest:
    """Candles of one series that one request can ask for, oldest first, by open time in ms."""

    symbol: Symbol
    interval: str
    open_times: list[int]

    def fetch(self, rest: MarketRest) -> "Klines":
        """The exchange's klines of these candles, by open time; empty where it knows no symbol.

        Where its answer cannot be used the next sweep asks again, and other series go on.
        """
        interval_ms = INTERVALS_MS[self.interval]
        wanted = set(self.open_times)
        bounds = self.open_times[0], self.open_times[-1] + interval_ms
        try:
            rows = rest.klines_page(self.symbol.name, self.interval, *bounds)
        except Refused as error:
            logger.warning("klines.request_refused", symbol=self.symbol.name, error=str(error))
            return Klines()
        except BadFrame as error:
            logger.error("klines.unusable", symbol=self.symbol.name, error=str(error))
            return Klines(complete=False)
        found = {row[0]: from_kline(row, interval_ms) for row in rows if row[0] in wanted}
        return Klines(found, complete=not rows.left_out)


def kline_requests(wanted: OpenTimes, absent: "AbsentKlines") -> list[KlineRequest]:
    """At most MAX_REQUESTS, the oldest first, without klines that the exchange doesn't have."""
    requests: list[KlineRequest] = []
    for (symbol, interval), times in wanted.items():
        unasked = absent.exclude(symbol, interval, times)
        for open_times in _cut(unasked, MAX_ROWS * INTERVALS_MS[interval]):
            requests.append(KlineRequest(symbol, interval, open_times))
    return sorted(requests, key=lambda request: request.open_times[0])[:MAX_REQUESTS]


def _cut(times: Iterable[int], span_ms: int) -> list[list[int]]:
    """Ascending times in lists none of which is longer than `span_ms`."""
    cuts: list[list[int]] = []
    for time_ms in times:
        if cuts and time_ms < cuts[-1][0] + span_ms:
            cuts[-1].append(time_ms)
        else:
            cuts.append([time_ms])
    return cuts


class AbsentKlines:
    """The candles that the exchange had no kline of when it was last asked."""

    def __init__(self, client: redis.Redis, now_ms: int) -> None:
        self._client = client
        self._now_ms = now_ms

    def exclude(self, symbol: Symbol, interval: str, open_times: list[int]) -> list[int]:
        """`open_times` without those that are not to be asked for again yet."""
        key = _absent_key(symbol, interval)
        self._client.zremrangebyscore(key, 0, self._now_ms)
        known = {int(one) for one in cast(list[bytes], self._client.zrange(key, 0, -1))}
        return [open_ms for open_ms in open_times if open_ms not in known]

    def remember(self, request: KlineRequest, there: Klines) -> None:
        """Note those of a request whose klines were not `there` and no longer come."""
        if not there.complete:
            return
        closed_before_ms = self._now_ms - YOUNG_MS - INTERVALS_MS[request.interval]
        absent = [ms for ms in request.open_times if ms not in there and ms <= closed_before_ms]
        if absent:
            key = _absent_key(request.symbol, request.interval)
            self._client.zadd(key, dict.fromkeys(map(str, absent), self._now_ms + ASK_AGAIN_MS))
            self._client.pexpire(key, ASK_AGAIN_MS)


def _absent_key(symbol: Symbol, interval: str) -> str:
    return f"candles:absent:{symbol.name}:{interval}"
