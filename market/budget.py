"""The exchange's request weight of a minute, shared by all processes through Redis.

The exchange counts per address and whole minute of the clock, and bans who goes on asking after
it has said no. Source: Binance Spot REST, "Limits". Each request takes its weight beforehand;
what the exchange says it has counted, other systems on this address included, corrects that
upwards.

Keys, {host} being the exchange's:

    market:weight:{host}:{minute}   string  weight taken in that minute since the epoch
    market:weight_limit:{host}      string  the limit that the exchange last told
    market:silence:{host}           string  there as long as nobody may ask
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import NamedTuple, cast

import redis
import structlog
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

LIMIT = 6_000  # a minute, until the exchange tells another one
ALONE = 4  # without Redis a process takes one part of so many: the others count for themselves
MINUTE_S = 60
USED_HEADER = "X-MBX-USED-WEIGHT-1M"

# Source: Binance Spot REST, the weight of each endpoint.
WEIGHTS = {
    "/api/v3/time": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/aggTrades": 4,
    "/api/v3/klines": 2,
}


class Priority(IntEnum):
    """Up to how many per cent of a minute's limit, all requests together, one may be sent."""

    URGENT = 90  # missed ticks, the clock: the last tenth is for what we don't know of
    BACKGROUND = 50  # history, audits, sweeps: they leave room for what is urgent


class Spent(Exception):
    """No request may be sent for another `wait_s` seconds."""

    def __init__(self, text: str, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Taken(NamedTuple):
    """The minute (since the epoch) that weight was taken from, and what is used of it now."""

    minute: int
    used: int


# KEYS: silence, limit, the counts' prefix. ARGV: weight, per cent, the limit if none is known.
# Answers {1, minute, used}, or {0, wait in ms}, or {-1, wait in ms} while nobody may ask.
TAKE = """
local silent_ms = redis.call('PTTL', KEYS[1])
if silent_ms > 0 then return {-1, silent_ms} end
local now = redis.call('TIME')
local minute = math.floor(now[1] / 60)
local count = KEYS[3] .. minute
local used = tonumber(redis.call('GET', count) or 0) + ARGV[1]
local limit = tonumber(redis.call('GET', KEYS[2]) or ARGV[3])
if used * 100 > limit * ARGV[2] then
  return {0, (minute + 1) * 60000 - now[1] * 1000 - math.floor(now[2] / 1000)}
end
redis.call('SET', count, used, 'EX', 120)
return {1, minute, used}
"""

# KEYS: the count of a minute. ARGV: what the exchange has counted.
CORRECT = """
if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', 120)
end
"""

# KEYS: silence. ARGV: its length in ms. A longer one that is under way stays.
SILENCE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
end
"""


class Budget:
    """The weight left for one exchange. Any thread may take from it.

    While Redis is away a process counts for itself and takes less.
    """

    def __init__(self, client: redis.Redis, host: str, limit: int = LIMIT) -> None:
        self._client = client
        self._limit = limit
        self._silence_key = f"market:silence:{host}"
        self._limit_key = f"market:weight_limit:{host}"
        self._counts = f"market:weight:{host}:"
        self._take = client.register_script(TAKE)
        self._correct = client.register_script(CORRECT)
        self._silence = client.register_script(SILENCE)
        self._silent_until = float("-inf")  # monotonic seconds
        self._shared = True  # as far as we know; an outage is told once
        self._lock = threading.Lock()
        self._alone = Taken(0, 0)  # what this process took while Redis was away

    def take(self, weight: int, priority: Priority) -> Taken:
        """Take the weight of a request that is about to be sent. Raises Spent."""
        silent_s = self._silent_until - time.monotonic()
        if silent_s > 0:
            raise _silent(silent_s)
        keys = [self._silence_key, self._limit_key, self._counts]
        try:
            answer = cast(
                list[int], self._take(keys=keys, args=[weight, int(priority), self._limit])
            )
        except RedisError as error:
            if self._shared:
                logger.warning("budget.alone", error=str(error))
            self._shared = False
            return self._take_alone(weight, priority)
        self._shared = True
        if answer[0] == 1:
            return Taken(*answer[1:])
        raise _silent(answer[1] / 1000) if answer[0] == -1 else _spent(answer[1] / 1000)

    def _take_alone(self, weight: int, priority: Priority) -> Taken:
        now_s = time.time()
        minute = int(now_s) // MINUTE_S
        with self._lock:
            used = weight + (self._alone.used if self._alone.minute == minute else 0)
            if used * 100 * ALONE > self._limit * priority:
                raise _spent((minute + 1) * MINUTE_S - now_s)
            self._alone = taken = Taken(minute, used)
        return taken

    def learn(self, taken: Taken, headers: Mapping[str, str]) -> None:
        """Correct the count by an answer's headers; no round trip where it is high enough.

        They count the minute of the exchange's clock, which is not quite ours. In its first
        second they may still speak of the minute before, so then they are not relied upon.
        """
        used = headers.get(USED_HEADER, "")
        if not used.isdecimal() or int(used) <= taken.used:
            return
        with suppress(RedisError, ValueError):
            minute, second = divmod(int(_sent_at(headers.get("Date", ""))), MINUTE_S)
            if second:
                self._correct(keys=[f"{self._counts}{minute}"], args=[int(used)])

    def learn_limit(self, limit: int) -> None:
        """The limit of a minute, as the exchange tells it."""
        self._limit = limit
        with suppress(RedisError):
            self._client.set(self._limit_key, limit)

    def silence(self, seconds: float) -> None:
        """Nobody may ask for so long, not even a process that starts anew."""
        if seconds <= 0:
            return
        self._silent_until = max(self._silent_until, time.monotonic() + seconds)
        with suppress(RedisError):
            self._silence(keys=[self._silence_key], args=[int(seconds * 1000)])


def _sent_at(date: str) -> float:
    """The seconds since the epoch of a Date header. Raises ValueError."""
    return parsedate_to_datetime(date).timestamp()


def _silent(wait_s: float) -> Spent:
    return Spent(f"the exchange asked for silence, for another {wait_s:.0f} s", wait_s)


def _spent(wait_s: float) -> Spent:
    return Spent(f"this minute's request weight is spent, {wait_s:.0f} s are left of it", wait_s)
