"""Exchanges for tests to talk to."""

from collections.abc import Iterator

import pytest

from sandbox.api.limits import WeightLimiter
from sandbox.config import SandboxConfig
from tests.sandbox.venue import Venue, running, wall_ms


@pytest.fixture(scope="module")
def shared_venue() -> Iterator[Venue]:
    with running(SandboxConfig(["BTCUSDT"], seed=7, rate=2.5)) as venue:
        yield venue


@pytest.fixture
def venue(shared_venue: Venue) -> Iterator[Venue]:
    """A lively exchange, shared by a module's tests; faults are ended after each."""
    yield shared_venue
    shared_venue.run_in_loop(shared_venue.server.faults.clear)
    shared_venue.server.dispatcher.limiter = WeightLimiter()


@pytest.fixture
def living_venue() -> Iterator[Venue]:
    """One whose time is ours, for clients that know no other."""
    with running(SandboxConfig(["BTCUSDT"], seed=7, rate=2.5), wall_ms) as venue:
        yield venue


@pytest.fixture
def fresh_venue() -> Iterator[Venue]:
    """An exchange of the test's own, every balance as granted."""
    with running(SandboxConfig([], seed=3)) as venue:
        yield venue
