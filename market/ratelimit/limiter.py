"""Rate limiter for one exchange, shared by all processes through Redis.

The exchange counts request weight per address and whole minute of the clock, and bans who goes on
asking after it has said no; it counts orders that are not filled per account, in spans of ten
seconds and of a day. Source: Binance Spot REST, "Limits". Each request acquires its weight
beforehand, each order its slots; what the exchange says it has counted, other systems included,
corrects that: weight upwards, orders both ways, for a fill gives the slot back.

Keys, {host} being the exchange's:

    market:weight:{host}:{minute}   string  weight taken in that minute since the epoch
    market:weight_limit:{host}      string  the limit that the exchange last gave
    market:orders:{host}:{span}:{n} string  orders in the n-th span (of seconds) since the epoch
    market:order_limits:{host}      hash    span in seconds -> the limit that the exchange gave
    market:silence:{host}           string  there as long as requests are blocked
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import cast
from urllib.parse import urlsplit

import redis
import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from foundation.redis import connection
from market.ratelimit import headers
from market.ratelimit.grants import (
    MINUTE_S,
    Grant,
    OrderPriority,
    OrderSlot,
    Priority,
    blocked,
    order_limited,
    weight_limited,
)
from market.ratelimit.local import LocalCounts
from market.ratelimit.lua import load_script
from market.ratelimit.weights import ORDER_LIMITS, WEIGHT_LIMIT
from market.wire.damage import damage

logger = structlog.get_logger(__name__)


class RateLimiter:
    """Request weight and order slots of one exchange. Any thread may acquire some.

    While Redis is away a process counts for itself and takes less.
    """

    def __init__(self, client: redis.Redis, host: str, limit: int = WEIGHT_LIMIT) -> None:
        self._client = client
        self._weight_limit = limit
        self._order_limits = ORDER_LIMITS
        self._block_key = f"market:silence:{host}"
        self._weight_limit_key = f"market:weight_limit:{host}"
        self._weights_prefix = f"market:weight:{host}:"
        self._orders_prefix = f"market:orders:{host}:"
        self._order_limits_key = f"market:order_limits:{host}"
        self._acquire_weight = load_script(client, "acquire_weight")
        self._acquire_order = load_script(client, "acquire_order")
        self._sync_weight = load_script(client, "sync_weight")
        self._sync_orders = load_script(client, "sync_orders")
        self._block = load_script(client, "block")
        self._blocked_until_s = float("-inf")  # time.monotonic()
        self._redis_answers = True  # as far as we know; an outage is logged once
        self._local = LocalCounts()

    def acquire(self, weight: int, priority: Priority) -> Grant:
        """Take the weight of a request that is about to be sent. Raises RateLimited."""
        keys = [self._block_key, self._weight_limit_key, self._weights_prefix]
        answer = self._run(self._acquire_weight, keys, [weight, int(priority), self._weight_limit])
        if answer is None:
            return self._local.acquire(weight, priority, self._weight_limit)
        if answer[0] == 1:
            return Grant(*answer[1:])
        raise (blocked if answer[0] == -1 else weight_limited)(answer[1] / 1000)

    def acquire_order(self, priority: OrderPriority) -> list[OrderSlot]:
        """Take the slots of an order that is about to be sent, one a span. Raises RateLimited."""
        keys = [self._block_key, self._order_limits_key, self._orders_prefix]
        known = [number for limit in self._order_limits.items() for number in limit]
        answer = self._run(self._acquire_order, keys, [int(priority), *known])
        if answer is None:
            return self._local.acquire_order(priority, self._order_limits)
        if answer[0] == 1:
            return [OrderSlot(*answer[at : at + 4]) for at in range(1, len(answer), 4)]
        raise (blocked if answer[0] == -1 else order_limited)(answer[1] / 1000)

    def sync(self, grant: Grant, answered: Mapping[str, str]) -> None:
        """Correct the weight by an answer's headers; no round trip where it is high enough.

        They count the minute of the exchange's clock, which is not quite ours. In its first
        second they may still speak of the minute before, so then they are not relied upon.
        """
        used = headers.used_weight(answered)
        if used is None or used <= grant.used:
            return
        with suppress(RedisError, ValueError):
            minute, second = divmod(headers.sent_s(answered), MINUTE_S)
            if second:
                self._sync_weight(keys=[f"{self._weights_prefix}{minute}"], args=[used])

    def sync_orders(self, slots: Sequence[OrderSlot], answered: Mapping[str, str]) -> None:
        """Correct the counts of orders by the headers of the answer to the one with `slots`.

        No round trip where ours is not too low and there is plenty left. In the first second of
        a span the exchange may still speak of the one before.
        """
        for slot in slots:
            count = headers.order_count(answered, slot.span_s)
            plenty = slot.used * 2 <= slot.limit
            if count is None or count == slot.used or (count < slot.used and plenty):
                continue
            if count > 2 * slot.limit:  # it refuses orders before; this would lock us out for a day
                damage.note("order count", f"{count} of {slot.limit} in {slot.span_s} s")
                continue
            with suppress(RedisError, ValueError):
                number, second = divmod(headers.sent_s(answered), slot.span_s)
                if number == slot.number and second:
                    keys = [f"{self._orders_prefix}{slot.span_s}:{number}"]
                    self._sync_orders(keys=keys, args=[count, slot.used, slot.span_s])

    def set_weight_limit(self, limit: int) -> None:
        """Keep to the limit of a minute that the exchange gives."""
        self._weight_limit = limit
        with suppress(RedisError):
            self._client.set(self._weight_limit_key, limit)

    def set_order_limits(self, limits: Mapping[int, int]) -> None:
        """Keep to the limits of orders that the exchange gives, by their spans in seconds."""
        self._order_limits = dict(limits)
        with suppress(RedisError):
            pipeline = self._client.pipeline()  # a transaction: never seen without limits
            pipeline.delete(self._order_limits_key)
            pipeline.hset(self._order_limits_key, mapping={str(k): v for k, v in limits.items()})
            pipeline.execute()

    def block_for(self, seconds: float) -> None:
        """Let nobody ask for so long, not even a process that starts anew."""
        if seconds <= 0:
            return
        self._blocked_until_s = max(self._blocked_until_s, time.monotonic() + seconds)
        with suppress(RedisError):
            self._block(keys=[self._block_key], args=[int(seconds * 1000)])

    def _run(self, script: Script, keys: list[str], args: list[int]) -> list[int] | None:
        """One script's answer; None while Redis is away. Raises RateLimited within a block."""
        blocked_s = self._blocked_until_s - time.monotonic()
        if blocked_s > 0:
            raise blocked(blocked_s)
        try:
            answer = cast(list[int], script(keys=keys, args=args))
        except RedisError as error:
            if self._redis_answers:
                logger.warning("rate_limiter.redis_unreachable", error=str(error))
            self._redis_answers = False
            return None
        self._redis_answers = True
        return answer


@cache
def shared_limiter(base_url: str) -> RateLimiter:
    """The rate limiter that all processes share for the exchange at `base_url`."""
    return RateLimiter(connection(), urlsplit(base_url).netloc)
