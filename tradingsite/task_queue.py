"""Queue of tasks in Redis, bounded: where no worker takes them, the oldest messages give way.

What a lost message asked for, a sweep finds. After a long absence a worker begins with what was
sent last, not with a day's messages.
"""

import time
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from foundation.redis import connection

KEY = "celery"  # Celery's own name for its queue; messages are pushed on its left end
MAX_MESSAGES = 500
TRIM_EVERY_S = 5.0

_trimmed_s = float("-inf")


def trim() -> None:
    """Keep the newest MAX_MESSAGES. Raises RedisError."""
    connection().ltrim(KEY, 0, MAX_MESSAGES - 1)


def trim_now_and_then(**_: Any) -> None:
    """Called after each message that this process sends."""
    global _trimmed_s  # noqa: PLW0603  # one a process
    if time.monotonic() - _trimmed_s < TRIM_EVERY_S:
        return
    _trimmed_s = time.monotonic()
    with suppress(RedisError):
        trim()


def holds(task: str) -> bool:
    """True where a message for the task waits for a worker. Raises RedisError."""
    mark = f'"task": "{task}"'.encode()
    return any(mark in message for message in connection().lrange(KEY, 0, MAX_MESSAGES - 1))
