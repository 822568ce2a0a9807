"""Request weights and unfilled orders, counted in windows aligned to the clock.

Source: protocol D.4, H.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.clock import DAY_MS, MINUTE_MS, SECOND_MS
from sandbox.errors import ApiError
from sandbox.wire import Json

WEIGHT_LIMIT = 6_000
ORDER_LIMITS = (("SECOND", 10, 10 * SECOND_MS, 50), ("DAY", 1, DAY_MS, 160_000))
BACK_AS_TAKER, BACK_AS_MAKER = 1, 5
RAW_LIMIT, CONNECTION_LIMIT = 300_000, 300
IGNORED_BEFORE_BAN = 50  # requests sent in spite of 429 within one minute
FIRST_BAN_MS, LONGEST_BAN_MS = 2 * MINUTE_MS, 3 * DAY_MS


@dataclass(slots=True)
class Window:
    """A count that starts over at every multiple of its length."""

    length_ms: int
    count: int = 0
    number: int = -1

    def now(self, now_ms: int) -> "Window":
        if self.number != now_ms // self.length_ms:
            self.number, self.count = now_ms // self.length_ms, 0
        return self

    def next_ms(self, now_ms: int) -> int:
        """When it starts over."""
        return (now_ms // self.length_ms + 1) * self.length_ms


def seconds_until(until_ms: int, now_ms: int) -> int:
    """The rest of the way, in whole seconds, rounded up, as Retry-After has it."""
    return (until_ms - now_ms + 999) // 1000


class Weights:
    """What each address has used of its minute; a client that ignores 429 is banned."""

    def __init__(self) -> None:
        self._used: dict[str, Window] = defaultdict(lambda: Window(MINUTE_MS))
        self._ignored: dict[str, Window] = defaultdict(lambda: Window(MINUTE_MS))
        self._banned_until_ms: dict[str, int] = {}
        self._next_ban_ms: dict[str, int] = defaultdict(lambda: FIRST_BAN_MS)

    def charge(self, address: str, weight: int, now_ms: int) -> None:
        """Count a request; raises ApiError 429 beyond the limit and 418 while banned."""
        if self._banned_until_ms.get(address, 0) > now_ms:
            raise self._banned(address)
        window = self._used[address].now(now_ms)
        window.count += weight
        if window.count > WEIGHT_LIMIT:
            raise self._refusal(address, now_ms)

    def refund(self, address: str, weight: int, now_ms: int) -> None:
        window = self._used[address].now(now_ms)
        window.count = max(0, window.count - weight)

    def used(self, address: str, now_ms: int) -> int:
        return self._used[address].now(now_ms).count

    def _refusal(self, address: str, now_ms: int) -> ApiError:
        ignored = self._ignored[address].now(now_ms)
        ignored.count += 1
        if ignored.count > IGNORED_BEFORE_BAN:
            length = self._next_ban_ms[address]
            self._next_ban_ms[address] = min(LONGEST_BAN_MS, 2 * length)
            self._banned_until_ms[address] = now_ms + length
            return self._banned(address)
        message = (
            f"Too much request weight used; current limit is {WEIGHT_LIMIT} request weight per "
            "1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return ApiError(-1003, message, 429, retry_ms=Window(MINUTE_MS).next_ms(now_ms))

    def _banned(self, address: str) -> ApiError:
        until = self._banned_until_ms[address]
        message = (
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return ApiError(-1003, message, 418, retry_ms=until)


class OrderCount:
    """The account's unfilled orders: one more per placement, fewer per first fill."""

    def __init__(self) -> None:
        self._windows = [Window(length) for _, _, length, _ in ORDER_LIMITS]

    def add(self, now_ms: int) -> None:
        """Count a placement; raises ApiError -1015 where a window is full."""
        for window, (interval, number, _, limit) in zip(self._windows, ORDER_LIMITS, strict=True):
            if window.now(now_ms).count >= limit:
                message = f"Too many new orders; current limit is {limit} orders per "
                retry_ms = window.next_ms(now_ms)
                raise ApiError(-1015, f"{message}{number} {interval}.", 429, retry_ms=retry_ms)
        for window in self._windows:
            window.count += 1

    def filled(self, now_ms: int, maker: bool) -> None:
        """Give back for an order's first fill."""
        back = BACK_AS_MAKER if maker else BACK_AS_TAKER
        for window in self._windows:
            window.count = max(0, window.now(now_ms).count - back)

    def counts(self, now_ms: int) -> list[int]:
        return [window.now(now_ms).count for window in self._windows]


def rate_limits(over_websocket: bool) -> list[Json]:
    """The `rateLimits` of exchangeInfo. Source: protocol D.5, G.1."""
    last = ("CONNECTIONS", CONNECTION_LIMIT) if over_websocket else ("RAW_REQUESTS", RAW_LIMIT)
    return [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_LIMIT),
        *(_limit("ORDERS", interval, number, limit) for interval, number, _, limit in ORDER_LIMITS),
        _limit(last[0], "MINUTE", 5, last[1]),
    ]


def weight_used(count: int) -> Json:
    """One of the `rateLimits` of an answer over WebSocket."""
    return {**_limit("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_LIMIT), "count": count}


def orders_used(counts: Iterable[int]) -> list[Json]:
    """The account's order counts, as rateLimit/order and WebSocket answers have them."""
    return [
        {**_limit("ORDERS", interval, number, limit), "count": count}
        for (interval, number, _, limit), count in zip(ORDER_LIMITS, counts, strict=True)
    ]


def _limit(kind: str, interval: str, number: int, limit: int) -> Json:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
