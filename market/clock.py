"""Clock of the exchange."""

import time
from typing import Protocol

from foundation.times import now_ms
from market.wire.bounds import MAX_AHEAD_MS

MAX_ROUND_TRIP_MS = 1_000  # there and back; a slower answer says too little of the time


class TimeSource(Protocol):
    def server_time(self) -> int: ...


class ExchangeClock:
    """The exchange's time, measured against our monotonic clock.

    `sync` takes the best of a few samples: the one with the shortest way there and back.
    """

    SAMPLES = 3

    def __init__(self) -> None:
        self._offset_ms: float | None = None  # exchange time minus monotonic time

    @property
    def known(self) -> bool:
        return self._offset_ms is not None

    def sync(self, rest: TimeSource) -> None:
        """Measure the exchange's time anew. Raises what `rest` does."""
        best_round_trip = float("inf")
        for _ in range(self.SAMPLES):
            sent = time.monotonic() * 1000
            server_ms = rest.server_time()
            received = time.monotonic() * 1000
            if received - sent < best_round_trip and (
                received - sent < MAX_ROUND_TRIP_MS or not self.known
            ):
                best_round_trip = received - sent
                self._offset_ms = server_ms - (sent + received) / 2

    def now_ms(self) -> int:
        """Milliseconds since the epoch; the local wall clock until the first measurement."""
        if self._offset_ms is None:
            return now_ms()
        return int(time.monotonic() * 1000 + self._offset_ms)

    def latest_ms(self) -> int:
        """The latest time that an event of now can bear.

        Our wall clock counts too: where the machine slept, it alone knows until the next `sync`.
        """
        return max(self.now_ms(), now_ms()) + MAX_AHEAD_MS

    def ahead_ms(self) -> int:
        """Lead of the exchange's clock over our wall clock."""
        return self.now_ms() - now_ms()
