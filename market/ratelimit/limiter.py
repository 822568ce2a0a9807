"""What the exchange allows in a span of time, shared by all processes through Redis.

The exchange counts request weight per address and whole minute of the clock, and bans who goes on
asking after it has said no; it counts orders that are not filled per account, in spans of ten
seconds and of a day. Source: Binance Spot REST, "Limits". Each request takes its weight
beforehand, each order its place; what the exchange says it has counted, other systems included,
corrects that: weight upwards, orders both ways, for a fill gives the place back.

Keys, {host} being the exchange's:

    market:weight:{host}:{minute}   string  weight taken in that minute since the epoch
    market:weight_limit:{host}      string  the limit that the exchange last told
    market:orders:{host}:{span}:{n} string  orders in the n-th span (of seconds) since the epoch
    market:order_limits:{host}      hash    span in seconds -> the limit that the exchange told
    market:silence:{host}           string  there as long as nobody may ask
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import NamedTuple, cast

import redis
import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

LIMIT = 6_000  # a minute, until the exchange tells another one
ALONE = 4  # without Redis a process takes one part of so many: the others count for themselves
MINUTE_S = 60
USED_HEADER = "X-MBX-USED-WEIGHT-1M"
ORDERS_HEADER = "X-MBX-ORDER-COUNT-"  # and the span: 10S, 1D
ORDER_LIMITS = {10: 50, 86_400: 160_000}  # by seconds, until the exchange tells others
LETTERS = {86_400: "D", 3_600: "H", 60: "M", 1: "S"}

# Source: Binance Spot REST, the weight of each endpoint.
WEIGHTS = {
    "/api/v3/time": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/aggTrades": 4,
    "/api/v3/klines": 2,
    "/api/v3/order": 4,  # to look one up; to place one weighs nothing
    "/api/v3/openOrders": 6,  # with a symbol
    "/api/v3/allOrders": 20,
    "/api/v3/myTrades": 20,  # less with orderId
    "/api/v3/account": 20,
}


class Priority(IntEnum):
    """Up to how many per cent of a minute's limit, all requests together, one may be sent."""

    URGENT = 90  # missed ticks, the clock: the last tenth is for what we don't know of
    BACKGROUND = 50  # history, audits, sweeps: they leave room for what is urgent


class Share(IntEnum):
    """Up to how many per cent of a span's limit, all orders together, one may be placed."""

    ENTRY = 80
    EXIT = 100  # nothing is kept from a sale


class Spent(Exception):
    """No request may be sent for another `wait_s` seconds."""

    def __init__(self, text: str, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Taken(NamedTuple):
    """The minute (since the epoch) that weight was taken from, and what is used of it now."""

    minute: int
    used: int


class Place(NamedTuple):
    """An order's place in the `number`th span since the epoch, the `used`th of `limit`."""

    span_s: int
    number: int
    used: int
    limit: int


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

# KEYS: silence, limits, the counts' prefix. ARGV: per cent, then the spans and limits if none are
# known. Answers {1, span, number, used, limit, ...}, or like TAKE why not.
TAKE_PLACE = """
local silent_ms = redis.call('PTTL', KEYS[1])
if silent_ms > 0 then return {-1, silent_ms} end
local now = redis.call('TIME')
local limits = redis.call('HGETALL', KEYS[2])
if #limits == 0 then
  for at = 2, #ARGV do limits[at - 1] = ARGV[at] end
end
local places = {1}
for at = 1, #limits, 2 do
  local span, limit = tonumber(limits[at]), tonumber(limits[at + 1])
  local number = math.floor(now[1] / span)
  local used = tonumber(redis.call('GET', KEYS[3] .. span .. ':' .. number) or 0) + 1
  if used * 100 > limit * ARGV[1] then
    return {0, (number + 1) * span * 1000 - now[1] * 1000 - math.floor(now[2] / 1000)}
  end
  for _, value in ipairs({span, number, used, limit}) do places[#places + 1] = value end
end
for at = 2, #places, 4 do
  local span = places[at]
  redis.call('SET', KEYS[3] .. span .. ':' .. places[at + 1], places[at + 2], 'EX', span + 60)
end
return places
"""

# KEYS: the count of a span. ARGV: what the exchange has counted, what we had with the order it
# answers, the span. Orders that took their place after that one are not in its count yet.
RECOUNT = """
local later = tonumber(redis.call('GET', KEYS[1]) or 0) - ARGV[2]
redis.call('SET', KEYS[1], ARGV[1] + math.max(0, later), 'EX', ARGV[3] + 60)
"""

# KEYS: silence. ARGV: its length in ms. A longer one that is under way stays.
SILENCE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
end
"""


class Budget:
    """The weight and the orders left for one exchange. Any thread may take from it.

    While Redis is away a process counts for itself and takes less.
    """

    def __init__(self, client: redis.Redis, host: str, limit: int = LIMIT) -> None:
        self._client = client
        self._limit = limit
        self._silence_key = f"market:silence:{host}"
        self._limit_key = f"market:weight_limit:{host}"
        self._counts = f"market:weight:{host}:"
        self._orders = f"market:orders:{host}:"
        self._order_limits_key = f"market:order_limits:{host}"
        self._order_limits = ORDER_LIMITS
        self._take = client.register_script(TAKE)
        self._take_place = client.register_script(TAKE_PLACE)
        self._recount = client.register_script(RECOUNT)
        self._correct = client.register_script(CORRECT)
        self._silence = client.register_script(SILENCE)
        self._silent_until = float("-inf")  # monotonic seconds
        self._shared = True  # as far as we know; an outage is told once
        self._lock = threading.Lock()
        # What this process took while Redis was away.
        self._alone = Taken(0, 0)
        self._places_alone: dict[int, Place] = {}

    def take(self, weight: int, priority: Priority) -> Taken:
        """Take the weight of a request that is about to be sent. Raises Spent."""
        keys = [self._silence_key, self._limit_key, self._counts]
        answer = self._ask(self._take, keys, [weight, int(priority), self._limit])
        if answer is None:
            return self._take_alone(weight, priority)
        if answer[0] == 1:
            return Taken(*answer[1:])
        raise _silent(answer[1] / 1000) if answer[0] == -1 else _spent(answer[1] / 1000)

    def take_place(self, share: Share) -> list[Place]:
        """Take the place of an order that is about to be sent, in every span. Raises Spent."""
        keys = [self._silence_key, self._order_limits_key, self._orders]
        known = [number for limit in self._order_limits.items() for number in limit]
        answer = self._ask(self._take_place, keys, [int(share), *known])
        if answer is None:
            return self._take_place_alone(share)
        if answer[0] == 1:
            return [Place(*answer[at : at + 4]) for at in range(1, len(answer), 4)]
        raise _silent(answer[1] / 1000) if answer[0] == -1 else _full(answer[1] / 1000)

    def _ask(self, script: Script, keys: list[str], args: list[int]) -> list[int] | None:
        """One script's answer; None while Redis is away. Raises Spent within a silence."""
        silent_s = self._silent_until - time.monotonic()
        if silent_s > 0:
            raise _silent(silent_s)
        try:
            answer = cast(list[int], script(keys=keys, args=args))
        except RedisError as error:
            if self._shared:
                logger.warning("budget.alone", error=str(error))
            self._shared = False
            return None
        self._shared = True
        return answer

    def _take_alone(self, weight: int, priority: Priority) -> Taken:
        now_s = time.time()
        minute = int(now_s) // MINUTE_S
        with self._lock:
            used = weight + (self._alone.used if self._alone.minute == minute else 0)
            if used * 100 * ALONE > self._limit * priority:
                raise _spent((minute + 1) * MINUTE_S - now_s)
            self._alone = taken = Taken(minute, used)
        return taken

    def _take_place_alone(self, share: Share) -> list[Place]:
        now_s = time.time()
        places = []
        with self._lock:
            for span_s, limit in self._order_limits.items():
                number, last = int(now_s) // span_s, self._places_alone.get(span_s)
                used = 1 + (last.used if last is not None and last.number == number else 0)
                if used * 100 * ALONE > limit * share:
                    raise _full((number + 1) * span_s - now_s)
                places.append(Place(span_s, number, used, limit))
            self._places_alone = {place.span_s: place for place in places}
        return places

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

    def learn_orders(self, places: Sequence[Place], headers: Mapping[str, str]) -> None:
        """Correct the counts of orders by the headers of the one that took `places`.

        No round trip where ours is not too low and there is plenty left. In the first second of
        a span the exchange may still speak of the one before.
        """
        for place in places:
            told = headers.get(ORDERS_HEADER + _span_name(place.span_s), "")
            plenty = place.used * 2 <= place.limit
            if not told.isdecimal() or int(told) == place.used:
                continue
            if int(told) < place.used and plenty:
                continue
            with suppress(RedisError, ValueError):
                number, second = divmod(int(_sent_at(headers.get("Date", ""))), place.span_s)
                if number == place.number and second:
                    keys = [f"{self._orders}{place.span_s}:{number}"]
                    self._recount(keys=keys, args=[int(told), place.used, place.span_s])

    def learn_order_limits(self, limits: Mapping[int, int]) -> None:
        """The limits of orders by their spans in seconds, as the exchange tells them."""
        self._order_limits = dict(limits)
        with suppress(RedisError):
            pipeline = self._client.pipeline()  # a transaction: never seen without limits
            pipeline.delete(self._order_limits_key)
            pipeline.hset(self._order_limits_key, mapping={str(k): v for k, v in limits.items()})
            pipeline.execute()

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


def _span_name(span_s: int) -> str:
    """As the exchange's headers name a span: 10S, 1M, 1D."""
    unit = next(unit for unit in LETTERS if span_s % unit == 0)
    return f"{span_s // unit}{LETTERS[unit]}"


def _silent(wait_s: float) -> Spent:
    return Spent(f"the exchange asked for silence, for another {wait_s:.0f} s", wait_s)


def _spent(wait_s: float) -> Spent:
    return Spent(f"this minute's request weight is spent, {wait_s:.0f} s are left of it", wait_s)


def _full(wait_s: float) -> Spent:
    return Spent(f"as many orders as are allowed were placed; again in {wait_s:.0f} s", wait_s)
