"""Counts of damage from outside, by kind, for the life of the process.

Each kind is logged the first time and then at most once a minute, with its count: a broken
stream must not fill the disk. `/health` reads the counts of the stream process.
"""

import threading
import time
from collections import Counter

import structlog

LOG_EVERY_S = 60.0
MAX_DETAIL = 300
logger = structlog.get_logger(__name__)


class DamageCounts:
    """Counts by kind: `tick`, `kline`, `frame`, or of which answer it was a row."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._log_at_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, kind: str, detail: str, times: int = 1) -> None:
        """Count damage; `detail` says what was wrong with one of them."""
        now_s = time.monotonic()
        with self._lock:
            self._counts[kind] += times
            count = self._counts[kind]
            if now_s < self._log_at_s.get(kind, 0.0):
                return
            self._log_at_s[kind] = now_s + LOG_EVERY_S
        logger.error("wire.damaged", kind=kind, count=count, example=detail[:MAX_DETAIL])

    def counts(self) -> dict[str, int]:
        """The count of each kind."""
        with self._lock:
            return dict(self._counts)


damage = DamageCounts()
