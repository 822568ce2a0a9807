"""The feed misbehaves, Redis and the owner die; every candle still equals the exchange's."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.candles import assert_equal, klines, stored
from tests.e2e.conftest import Built
from tests.servers import Redis, Site, eventually

FAULTS: list[dict[str, Any]] = [
    {"fault": "duplicate", "symbol": "BTCUSDT", "count": 5},
    {"fault": "disconnect"},
    {"fault": "stall", "seconds": 3},
    {"fault": "disconnect"},
]


def restart_redis(site: Site, away_s: float) -> None:
    site.redis.kill()
    time.sleep(away_s)
    site.redis = Redis(site.folder)


def goes_on(site: Site) -> bool:
    """Whether a candle closes that was not there before."""
    before = max(stored(site, "BTCUSDT", "1s"), default=0)
    return eventually(lambda: max(stored(site, "BTCUSDT", "1s"), default=0) > before)


@pytest.mark.processes
@pytest.mark.timeout(400)
def test_candles_stay_exact_through_cuts_doubles_and_deaths(
    system: Callable[..., Built],
) -> None:
    sandbox, site = system("--seed", "3", INTERVALS="1s", SYMBOLS="BTCUSDT")
    site.start("web")
    stream = site.start("stream")
    assert goes_on(site)
    site.start("stream")  # stands by
    for fault in FAULTS:
        sandbox.inject(**fault)
        time.sleep(1.5)
    assert goes_on(site)
    restart_redis(site, away_s=2)
    assert goes_on(site)
    stream.kill()
    assert goes_on(site)
    ours, theirs = stored(site, "BTCUSDT", "1s"), klines(sandbox, "BTCUSDT", "1s")
    shared = sorted(ours.keys() & theirs.keys())
    assert shared == list(range(shared[0], max(ours) + 1, 1000))
    for open_ms in shared:
        assert_equal(ours[open_ms], theirs[open_ms])
