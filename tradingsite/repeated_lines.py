"""Log lines that say the same again and again, made rare: for outages, which last.

The first line stands at once and says what brings the missing part. Then one line stands for many
after pauses that double, with their count. After a minute without any, the next one is a first one.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

FIRST_PAUSE_S, MAX_PAUSE_S = 5.0, 300.0
FORGET_AFTER_S = 60.0
OUTAGE_EVENTS = frozenset(
    {
        "database.unreachable", "database.not_prepared", "database.damaged", "redis.unreachable",
        "rate_limiter.redis_unreachable", "exchange.unreachable", "clock.sync_failed", "task.lost",
    }
)  # fmt: skip
REDIS_REMEDY = "make run starts one; or give REDIS_URL"
REMEDIES: Mapping[str, str] = {
    "database.not_prepared": "python manage.py prepare; make run does it too",
    "database.unreachable": "start the server of DATABASE_URL",
    "redis.unreachable": REDIS_REMEDY,
    "rate_limiter.redis_unreachable": REDIS_REMEDY,
    "exchange.unreachable": "make run and python -m sandbox start one here; or give testnet keys",
    "clock.sync_failed": "make run and python -m sandbox start one here; or give testnet keys",
}


@dataclass(slots=True)
class _Run:
    """Lines of one kind in a row; times are of time.monotonic()."""

    last_s: float
    shown_s: float
    pause_s: float = FIRST_PAUSE_S
    left_out: int = 0


class Repetitions:
    """Decides line by line which one stands."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def left_out(self, kind: str) -> int | None:
        """For a line that stands how many were left out before it; None for one that doesn't."""
        with self._lock:
            now_s = self._clock()
            run = self._runs.get(kind)
            if run is None or now_s - run.last_s > FORGET_AFTER_S:
                self._runs[kind] = _Run(now_s, now_s)
                return 0
            run.last_s = now_s
            if now_s - run.shown_s < run.pause_s:
                run.left_out += 1
                return None
            left_out, run.left_out = run.left_out, 0
            run.shown_s, run.pause_s = now_s, min(2 * run.pause_s, MAX_PAUSE_S)
            return left_out


_repetitions = Repetitions()


def make_rare(_: Any, __: str, event: Any) -> Any:
    """structlog's processor for events of outages."""
    name = event["event"]
    if name not in OUTAGE_EVENTS:
        return event
    left_out = _repetitions.left_out(name + str(event.get("task", "")))
    if left_out is None:
        raise structlog.DropEvent
    if left_out:
        event["repeated"] = left_out + 1
    if name in REMEDIES:
        event.setdefault("remedy", REMEDIES[name])
    return event


BROKER_LINES = (
    "Cannot connect to", "Connection error", "Connection to broker lost", "Message Error",
)  # fmt: skip


class BrokerLinesMadeRare(logging.Filter):
    """The same for what Celery says while it has no broker, which is Redis."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if not (record.name.startswith("celery") and any(map(text.__contains__, BROKER_LINES))):
            return True
        left_out = _repetitions.left_out(record.name)
        if left_out is None:
            return False
        first = text.splitlines()[0].partition(" Trying again")[0]
        count = f" repeated={left_out + 1}" if left_out else ""
        record.msg, record.args = f"{first}{count} remedy={REDIS_REMEDY!r}", ()
        record.exc_info = record.exc_text = None
        return True
