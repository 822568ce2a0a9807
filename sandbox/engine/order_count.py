"""The account's unfilled orders, counted in windows aligned to the clock. Source: protocol H."""

from dataclasses import dataclass
from typing import NamedTuple

from sandbox.clock import DAY_MS, SECOND_MS
from sandbox.errors import ApiError

TAKER_FILL_CREDIT, MAKER_FILL_CREDIT = 1, 5


class OrderRateLimit(NamedTuple):
    """At most `max_orders` in a window of `interval_count` intervals, which is `length_ms` long."""

    interval: str
    interval_count: int
    length_ms: int
    max_orders: int


ORDER_LIMITS = (
    OrderRateLimit("SECOND", 10, 10 * SECOND_MS, 50),
    OrderRateLimit("DAY", 1, DAY_MS, 160_000),
)


@dataclass(slots=True)
class CountWindow:
    """A count that starts over at every multiple of its length."""

    length_ms: int
    count: int = 0
    number: int = -1

    def at(self, now_ms: int) -> "CountWindow":
        """Itself, started over where its time is another than before."""
        if self.number != now_ms // self.length_ms:
            self.number, self.count = now_ms // self.length_ms, 0
        return self

    def reset_ms(self, now_ms: int) -> int:
        """Time at which it starts over."""
        return (now_ms // self.length_ms + 1) * self.length_ms


class OrderCount:
    """The account's unfilled orders: one more per placement, fewer per first fill."""

    def __init__(self) -> None:
        self._windows = [CountWindow(limit.length_ms) for limit in ORDER_LIMITS]

    def count_placement(self, now_ms: int) -> None:
        """Count a placement; raises ApiError -1015 where a window is full."""
        for window, limit in zip(self._windows, ORDER_LIMITS, strict=True):
            if window.at(now_ms).count >= limit.max_orders:
                message = f"Too many new orders; current limit is {limit.max_orders} orders per "
                message += f"{limit.interval_count} {limit.interval}."
                raise ApiError(-1015, message, 429, retry_at_ms=window.reset_ms(now_ms))
        for window in self._windows:
            window.count += 1

    def count_first_fill(self, now_ms: int, is_maker: bool) -> None:
        """Give back some of the count for an order's first fill."""
        credit = MAKER_FILL_CREDIT if is_maker else TAKER_FILL_CREDIT
        for window in self._windows:
            window.count = max(0, window.at(now_ms).count - credit)

    def counts(self, now_ms: int) -> list[int]:
        return [window.at(now_ms).count for window in self._windows]
