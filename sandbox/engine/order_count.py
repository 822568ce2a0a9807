"""The account's unfilled orders, counted in windows aligned to the clock. Source: protocol H."""

from dataclasses import dataclass

from sandbox.clock import DAY_MS, SECOND_MS
from sandbox.errors import ApiError

ORDER_LIMITS = (("SECOND", 10, 10 * SECOND_MS, 50), ("DAY", 1, DAY_MS, 160_000))
BACK_AS_TAKER, BACK_AS_MAKER = 1, 5


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
                raise ApiError(-1015, f"{message}{number} {interval}.", 429, retry_at_ms=retry_ms)
        for window in self._windows:
            window.count += 1

    def filled(self, now_ms: int, maker: bool) -> None:
        """Give back for an order's first fill."""
        back = BACK_AS_MAKER if maker else BACK_AS_TAKER
        for window in self._windows:
            window.count = max(0, window.now(now_ms).count - back)

    def counts(self, now_ms: int) -> list[int]:
        return [window.now(now_ms).count for window in self._windows]
