import subprocess
import sys
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import redis as redis_library
import requests
from django.conf import settings

from market.failures import ExchangeUnreachable
from market.ratelimit.grants import Grant, OrderPriority, OrderSlot, Priority, RateLimited
from market.ratelimit.limiter import RateLimiter
from market.ratelimit.local import PARTS
from market.rest import MarketRest
from tests.servers import HANG_S, ROOT, Sandbox, eventually

HOST = "exchange"
LIMIT = 1000
NOW_S = 1_800_000_025

# Four threads that take until nothing is left, and say how much they were given.
TAKER = """
import sys, redis
from concurrent.futures import ThreadPoolExecutor
from market.ratelimit.grants import Priority, RateLimited
from market.ratelimit.limiter import RateLimiter
limiter = RateLimiter(redis.Redis.from_url(sys.argv[1]), "exchange", 1000)
def take(_):
    try:
        return 7 if limiter.acquire(7, Priority.URGENT) else 0
    except RateLimited:
        return 0
with ThreadPoolExecutor(4) as threads:
    print(sum(threads.map(take, range(200))))
"""


class Stopped(redis_library.Redis):
    """A client for whose scripts the time stands still, amid a minute and a span of ten seconds."""

    def register_script(self, script: Any) -> Any:
        return super().register_script(script.replace("redis.call('TIME')", f"{{{NOW_S}, 0}}"))


@pytest.fixture
def limiter(redis: redis_library.Redis) -> RateLimiter:
    return another()


def another(limit: int = LIMIT) -> RateLimiter:
    """The same exchange's limiter as another process sees it."""
    return RateLimiter(Stopped.from_url(settings.REDIS_URL), HOST, limit)


def away() -> RateLimiter:
    return RateLimiter(redis_library.Redis.from_url("unix:///nowhere/redis.sock"), HOST, LIMIT)


def granted(limiter: RateLimiter, weight: int, priority: Priority = Priority.URGENT) -> int:
    """How much is given until it is spent."""
    total = 0
    while True:
        try:
            limiter.acquire(weight, priority)
        except RateLimited:
            return total
        total += weight


@pytest.fixture(autouse=True)
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still for who counts alone as well."""
    monkeypatch.setattr("market.ratelimit.local.time", SimpleNamespace(time=lambda: float(NOW_S)))


def acquired(limiter: RateLimiter, priority: OrderPriority) -> list[OrderSlot]:
    """The slots of ten seconds that are given until there are no more."""
    slots: list[OrderSlot] = []
    while True:
        try:
            slots.append(limiter.acquire_order(priority)[0])
        except RateLimited:
            return slots


def answered(slot: OrderSlot, count: int) -> dict[str, str]:
    """What the exchange's answer to the order of `slot` says."""
    date = formatdate(slot.number * 10 + 5, usegmt=True)
    return {"X-MBX-ORDER-COUNT-10S": str(count), "Date": date}


class TooMany(BaseHTTPRequestHandler):
    """An exchange that says no to everything."""

    def do_GET(self) -> None:
        self.send_response(429)
        self.send_header("Retry-After", "30")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def no_more() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), TooMany) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.processes
def test_processes_and_threads_together_never_take_more_than_the_limit(
    redis: redis_library.Redis,
) -> None:
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, settings.REDIS_URL], cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    given = sum(int(taker.communicate(timeout=HANG_S)[0]) for taker in takers)
    counts = [int(redis.get(key) or 0) for key in redis.keys("market:weight:*")]
    assert sum(counts) == given > 0
    assert all(count <= LIMIT * Priority.URGENT // 100 for count in counts)


def test_the_background_leaves_room_for_what_is_urgent(limiter: RateLimiter) -> None:
    assert granted(limiter, 10, Priority.BACKGROUND) == 500
    assert granted(another(), 10, Priority.URGENT) == 400
    with pytest.raises(RateLimited, match="request weight is spent") as limited:
        limiter.acquire(10, Priority.BACKGROUND)
    assert 0 < limited.value.wait_s <= 60


def test_what_the_exchange_has_counted_corrects_upwards_only(limiter: RateLimiter) -> None:
    grant = limiter.acquire(10, Priority.URGENT)
    date = formatdate(grant.minute * 60 + 30, usegmt=True)
    for used in ("700", "3", "many"):
        limiter.sync(grant, {"X-MBX-USED-WEIGHT-1M": used, "Date": date})
    assert another().acquire(10, Priority.URGENT).used == 710


@pytest.mark.parametrize("second", [-30, 0, 90])
def test_a_count_of_another_minute_says_nothing_of_this_one(
    limiter: RateLimiter, second: int
) -> None:
    grant = limiter.acquire(10, Priority.URGENT)
    date = formatdate(grant.minute * 60 + second, usegmt=True)
    limiter.sync(grant, {"X-MBX-USED-WEIGHT-1M": "700", "Date": date})
    assert limiter.acquire(10, Priority.URGENT).used == 20


def test_a_silence_holds_for_every_process_and_for_one_that_starts_anew(
    limiter: RateLimiter,
) -> None:
    limiter.block_for(100)
    limiter.block_for(10)  # does not shorten it
    for one in (limiter, another()):
        with pytest.raises(RateLimited, match="asked for silence") as limited:
            one.acquire(1, Priority.URGENT)
        assert 90 < limited.value.wait_s <= 100


def test_the_limit_is_the_one_that_the_exchange_tells(limiter: RateLimiter) -> None:
    limiter.set_weight_limit(100)
    assert granted(another(), 10) == 90


def test_without_redis_a_process_counts_for_itself_and_takes_less() -> None:
    alone = away()
    assert granted(alone, 10) == 220 <= LIMIT * Priority.URGENT // 100 // PARTS
    alone.sync(Grant(1, 1), {"X-MBX-USED-WEIGHT-1M": "9", "Date": formatdate(90, usegmt=True)})
    alone.set_weight_limit(10_000)
    alone.block_for(100)
    with pytest.raises(RateLimited, match="silence"):
        alone.acquire(1, Priority.URGENT)


def test_a_request_takes_its_weight_in_one_round_trip(
    redis: redis_library.Redis, sandbox: Sandbox
) -> None:
    rest = MarketRest(sandbox.rest_url, RateLimiter(redis, HOST))
    rest.server_time()  # loads the script, and learns what other tests have used
    redis.config_resetstat()
    for _ in range(5):
        rest.server_time()
    calls = redis.info("commandstats")
    assert sum(calls[name]["calls"] for name in calls if "eval" in name) == 5


def test_what_others_use_at_the_exchange_is_learned_from_its_answers(
    redis: redis_library.Redis, sandbox: Sandbox
) -> None:
    def learned() -> bool:
        for _ in range(10):
            requests.get(f"{sandbox.rest_url}/api/v3/exchangeInfo", timeout=HANG_S)
        limiter = RateLimiter(redis, HOST)
        MarketRest(sandbox.rest_url, limiter).exchange_info(["BTCUSDT"])
        used = limiter.acquire(1, Priority.URGENT).used
        redis.delete(*redis.keys("market:weight:*"))
        return used > 200

    assert eventually(learned)  # all of it within one minute, which may take a second try
    assert redis.get(f"market:weight_limit:{HOST}") == b"6000"


def test_a_refusal_for_too_many_requests_silences_everybody(
    limiter: RateLimiter, no_more: str
) -> None:
    with pytest.raises(ExchangeUnreachable, match="rate limit reached"):
        MarketRest(no_more, limiter).server_time()
    with pytest.raises(ExchangeUnreachable, match="asked for silence") as refusal:
        MarketRest(no_more, another()).server_time()
    assert 20 < refusal.value.retry_after_s <= 30


def test_who_waits_for_weight_can_be_stopped(redis: redis_library.Redis, sandbox: Sandbox) -> None:
    limiter, stopping = RateLimiter(redis, HOST), threading.Event()
    limiter.block_for(60)
    threading.Timer(0.2, stopping.set).start()
    with pytest.raises(ExchangeUnreachable, match="stopped waiting"):
        MarketRest(sandbox.rest_url, limiter).in_background(stopping).server_time()
    limiter.block_for(100_000)
    with pytest.raises(ExchangeUnreachable, match="silence"):  # nobody waits for days
        MarketRest(sandbox.rest_url, limiter).in_background(threading.Event()).server_time()


def test_who_waits_goes_on_when_it_may(redis: redis_library.Redis, sandbox: Sandbox) -> None:
    limiter = RateLimiter(redis, HOST)
    limiter.block_for(0.3)
    assert MarketRest(sandbox.rest_url, limiter).in_background(threading.Event()).server_time() > 0


def test_entries_leave_room_for_exits_and_no_process_goes_beyond(limiter: RateLimiter) -> None:
    assert len(acquired(limiter, OrderPriority.ENTRY)) == 40
    assert len(acquired(another(), OrderPriority.EXIT)) == 10
    with pytest.raises(RateLimited, match="as many orders as are allowed") as limited:
        another().acquire_order(OrderPriority.EXIT)
    assert 0 < limited.value.wait_s <= 10


def test_the_narrowest_span_decides_and_a_refused_order_takes_no_place(
    limiter: RateLimiter,
) -> None:
    limiter.set_order_limits({10: 50, 86_400: 3})
    assert len(acquired(another(), OrderPriority.EXIT)) == 3
    limiter.set_order_limits({10: 50})
    assert limiter.acquire_order(OrderPriority.EXIT)[0].used == 4


def test_a_filled_order_gives_its_place_back(limiter: RateLimiter) -> None:
    slots = acquired(limiter, OrderPriority.ENTRY)
    limiter.sync_orders(slots[29:30], answered(slots[29], 0))
    assert limiter.acquire_order(OrderPriority.ENTRY)[0].used == 11  # ten came after that one


def test_orders_of_other_systems_count(limiter: RateLimiter) -> None:
    slot = limiter.acquire_order(OrderPriority.ENTRY)[0]
    limiter.sync_orders([slot], answered(slot, 44))
    with pytest.raises(RateLimited):
        limiter.acquire_order(OrderPriority.ENTRY)


def test_a_count_of_another_span_says_nothing_of_this_one(limiter: RateLimiter) -> None:
    slot = limiter.acquire_order(OrderPriority.ENTRY)[0]
    limiter.sync_orders([slot], answered(slot._replace(number=slot.number - 1), 44))
    assert limiter.acquire_order(OrderPriority.ENTRY)[0].used == 2


def test_no_order_is_placed_within_a_silence(limiter: RateLimiter) -> None:
    limiter.block_for(100)
    for one in (limiter, another()):
        with pytest.raises(RateLimited, match="silence"):
            one.acquire_order(OrderPriority.EXIT)


def test_without_redis_orders_are_counted_here() -> None:
    alone = away()
    assert len(acquired(alone, OrderPriority.ENTRY)) == 10
    assert len(acquired(alone, OrderPriority.EXIT)) == 2


def test_the_limits_of_orders_are_those_that_the_exchange_tells(
    redis: redis_library.Redis, sandbox: Sandbox
) -> None:
    MarketRest(sandbox.rest_url, RateLimiter(redis, HOST)).exchange_info(["BTCUSDT"])
    limits = {b"10": b"50", b"86400": b"160000"}
    assert redis.hgetall(f"market:order_limits:{HOST}") == limits
