"""A worker whose Redis is killed while it has tasks in hand."""

import time

import pytest
import redis as redis_library

from tests.servers import HANG_S, Redis, eventually
from tradingsite.tasks import BEAT_KEY

pytestmark = [pytest.mark.processes, pytest.mark.timeout(5 * HANG_S)]


@pytest.mark.parametrize("away_s", [0, 6])
def test_a_worker_goes_on_after_its_broker_was_killed_amid_a_task(system, away_s):
    """The task ends once Redis is back, or while it is away."""
    sandbox, site = system(TRADING_ENABLED="false")
    sandbox.inject("slow_rest", seconds=600, ms=4_000)
    worker = site.start("worker")  # which reconciles the account as soon as it is up
    client = redis_library.Redis.from_url(site.redis.url)
    assert eventually(lambda: client.hlen("unacked"), HANG_S), worker.text()
    site.redis.kill()
    time.sleep(away_s)
    site.redis = Redis(site.folder)
    client.delete(BEAT_KEY)
    site.start("beat")
    assert eventually(lambda: client.exists(BEAT_KEY), 2 * HANG_S), worker.text()
    assert worker.process.poll() is None
