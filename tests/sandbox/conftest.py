"""Exchanges for tests to talk to."""

from collections.abc import Iterator

import pytest

from sandbox.api.limits import WeightLimiter
from sandbox.config import SandboxConfig
from tests.sandbox.venue import Venue, fast_clock, running


@pytest.fixture(scope="module")
def shared_venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    pace = getattr(request.module, "PACE", 1)  # how much faster than ours its clock runs
    with running(SandboxConfig(["BTCUSDT"], seed=7, rate=2.5), fast_clock(pace)) as venue:
        yield venue


@pytest.fixture
def venue(shared_venue: Venue) -> Iterator[Venue]:
    """A lively exchange, shared by a module's tests; faults are ended after each."""
    yield shared_venue
    shared_venue.run_in_loop(shared_venue.server.faults.clear)
    shared_venue.server.dispatcher.limiter = WeightLimiter()


@pytest.fixture
def fresh_venue() -> Iterator[Venue]:
    """An exchange of the test's own, every balance as granted."""
    with running(SandboxConfig([], seed=3)) as venue:
        yield venue
