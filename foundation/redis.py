"""Redis connection of this process."""

from functools import cache

import redis
from django.conf import settings


@cache
def connection() -> redis.Redis:
    """One client a process. Short timeouts: whoever waits longer has other work to do.

    Failing calls raise redis.exceptions.RedisError; nothing is retried behind the caller's
    back, so that a write is never sent twice.
    """
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=None
    )
