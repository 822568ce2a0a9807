"""Times: milliseconds since the epoch in the core, aware UTC datetimes in models."""

import time as clock
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime.fromtimestamp(0, UTC)
MILLISECOND = timedelta(milliseconds=1)
Clock = Callable[[], datetime]  # gives the aware UTC time; tests hand in their own


def now_ms() -> int:
    """Our wall clock, in milliseconds since the epoch."""
    return clock.time_ns() // 1_000_000


def to_ms(time: datetime) -> int:
    """Milliseconds since the epoch; microseconds are cut off. No float lies in between."""
    return (time - EPOCH) // MILLISECOND


def to_time(time_ms: int) -> datetime:
    """The aware UTC time of milliseconds since the epoch."""
    return EPOCH + time_ms * MILLISECOND
