"""The exchange's clock: milliseconds since the epoch, UTC."""

import asyncio
import time
from collections.abc import Callable

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MIN_MICROSECONDS = 10**14  # a time this large counts microseconds
NEVER_MS = 2**62
POLL_MS = 50  # between looks at a clock that somebody may move


class Clock:
    """Wall time that never runs backwards, so that trades and klines keep their order."""

    def __init__(self, read_ms: Callable[[], int] | None = None) -> None:
        self._read_ms = read_ms or (lambda: time.time_ns() // 1_000_000)
        self._latest_ms = 0

    def now_ms(self) -> int:
        self._latest_ms = max(self._latest_ms, self._read_ms())
        return self._latest_ms

    async def sleep(self, length_ms: int) -> None:
        """Return when so much time has passed by this clock."""
        until_ms = self.now_ms() + length_ms
        while (left_ms := until_ms - self.now_ms()) > 0:
            await asyncio.sleep(min(left_ms, POLL_MS) / 1000)
