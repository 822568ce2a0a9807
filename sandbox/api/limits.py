"""Limits of requests: their weights, and the weight that each address may use.

Source: protocol D.4, H.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from sandbox.api.params import RequestParams
from sandbox.clock import DAY_MS, MINUTE_MS
from sandbox.engine.order_count import ORDER_LIMITS, CountWindow, OrderRateLimit
from sandbox.errors import ApiError
from sandbox.wire import Json

WEIGHT_LIMIT = 6_000
RAW_LIMIT, CONNECTION_LIMIT = 300_000, 300
MAX_IGNORED_REFUSALS = 50  # requests sent in spite of 429 within one minute
FIRST_BAN_MS, MAX_BAN_MS = 2 * MINUTE_MS, 3 * DAY_MS
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))  # by the limit, up to and including

WeightRule = Callable[[RequestParams], int]


def fixed_weight(weight: int) -> WeightRule:
    return lambda _: weight


def weight_by_symbols(one: int, several: int) -> WeightRule:
    return lambda params: one if "symbol" in params else several


def depth_weight(params: RequestParams) -> int:
    limit = params.limit(100, 5000)
    return next(weight for max_limit, weight in DEPTH_WEIGHTS if limit <= max_limit)


def ticker_day_weight(params: RequestParams) -> int:
    if "symbol" in params:
        return 2
    names = params.symbols("symbols")
    if names is None or len(names) > 100:
        return 80
    return 2 if len(names) <= 20 else 40


def test_order_weight(params: RequestParams) -> int:
    return 20 if "computeCommissionRates" in params else 1


def my_trades_weight(params: RequestParams) -> int:
    return 5 if "orderId" in params else 20


def seconds_until(until_ms: int, now_ms: int) -> int:
    """The time left in whole seconds, rounded up, as Retry-After has it."""
    return (until_ms - now_ms + 999) // 1000


class WeightLimiter:
    """Weight that each address has used in a minute; one that ignores 429 is banned."""

    def __init__(self) -> None:
        self._used: dict[str, CountWindow] = defaultdict(lambda: CountWindow(MINUTE_MS))
        self._ignored: dict[str, CountWindow] = defaultdict(lambda: CountWindow(MINUTE_MS))
        self._banned_until_ms: dict[str, int] = {}
        self._next_ban_ms: dict[str, int] = defaultdict(lambda: FIRST_BAN_MS)

    def charge(self, address: str, weight: int, now_ms: int) -> None:
        """Count a request; raises ApiError 429 beyond the limit and 418 while banned."""
        if self._banned_until_ms.get(address, 0) > now_ms:
            raise self._ban_error(address)
        window = self._used[address].at(now_ms)
        window.count += weight
        if window.count > WEIGHT_LIMIT:
            raise self._refuse(address, now_ms)

    def refund(self, address: str, weight: int, now_ms: int) -> None:
        window = self._used[address].at(now_ms)
        window.count = max(0, window.count - weight)

    def used_weight(self, address: str, now_ms: int) -> int:
        return self._used[address].at(now_ms).count

    def _refuse(self, address: str, now_ms: int) -> ApiError:
        ignored = self._ignored[address].at(now_ms)
        ignored.count += 1
        if ignored.count > MAX_IGNORED_REFUSALS:
            length = self._next_ban_ms[address]
            self._next_ban_ms[address] = min(MAX_BAN_MS, 2 * length)
            self._banned_until_ms[address] = now_ms + length
            return self._ban_error(address)
        message = (
            f"Too much request weight used; current limit is {WEIGHT_LIMIT} request weight per "
            "1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return ApiError(-1003, message, 429, retry_at_ms=CountWindow(MINUTE_MS).reset_ms(now_ms))

    def _ban_error(self, address: str) -> ApiError:
        until = self._banned_until_ms[address]
        message = (
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return ApiError(-1003, message, 418, retry_at_ms=until)


def rate_limits(over_websocket: bool) -> list[Json]:
    """The `rateLimits` of exchangeInfo. Source: protocol D.5, G.1."""
    last = ("CONNECTIONS", CONNECTION_LIMIT) if over_websocket else ("RAW_REQUESTS", RAW_LIMIT)
    return [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_LIMIT),
        *(_order_limit(limit) for limit in ORDER_LIMITS),
        _limit(last[0], "MINUTE", 5, last[1]),
    ]


def weight_limit(count: int) -> Json:
    """One of the `rateLimits` of an answer over WebSocket."""
    return {**_limit("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_LIMIT), "count": count}


def order_limits(counts: Iterable[int]) -> list[Json]:
    """The account's order counts, as rateLimit/order and WebSocket answers have them."""
    return [
        {**_order_limit(limit), "count": count}
        for limit, count in zip(ORDER_LIMITS, counts, strict=True)
    ]


def _order_limit(limit: OrderRateLimit) -> Json:
    return _limit("ORDERS", limit.interval, limit.interval_count, limit.max_orders)


def _limit(kind: str, interval: str, number: int, limit: int) -> Json:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
