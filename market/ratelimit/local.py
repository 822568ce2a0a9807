"""Local counts of one process, in place of the shared ones while Redis is away."""

import threading
import time
from collections.abc import Mapping

from market.ratelimit.grants import (
    MINUTE_S,
    Grant,
    OrderPriority,
    OrderSlot,
    Priority,
    order_limited,
    weight_limited,
)

PARTS = 4  # a process takes one part of so many: the others count for themselves


class LocalCounts:
    """Weight and orders of this process alone, a quarter of the limits. Any thread may acquire."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._grant = Grant(0, 0)
        self._slots: dict[int, OrderSlot] = {}  # the last one of each span

    def acquire(self, weight: int, priority: Priority, limit: int) -> Grant:
        """Take the weight of a request. Raises RateLimited."""
        now_s = time.time()
        minute = int(now_s) // MINUTE_S
        with self._lock:
            used = weight + (self._grant.used if self._grant.minute == minute else 0)
            if used * 100 * PARTS > limit * priority:
                raise weight_limited((minute + 1) * MINUTE_S - now_s)
            self._grant = grant = Grant(minute, used)
        return grant

    def acquire_order(self, priority: OrderPriority, limits: Mapping[int, int]) -> list[OrderSlot]:
        """Take the slots of an order, one a span of so many seconds. Raises RateLimited."""
        now_s = time.time()
        slots = []
        with self._lock:
            for span_s, limit in limits.items():
                number, last = int(now_s) // span_s, self._slots.get(span_s)
                used = 1 + (last.used if last is not None and last.number == number else 0)
                if used * 100 * PARTS > limit * priority:
                    raise order_limited((number + 1) * span_s - now_s)
                slots.append(OrderSlot(span_s, number, used, limit))
            self._slots = {slot.span_s: slot for slot in slots}
        return slots
