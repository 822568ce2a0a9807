"""Exchanges for tests to talk to."""

from collections.abc import Iterator

import pytest

from sandbox.exchange import Plan
from sandbox.limits import Weights
from tests.sandbox.venue import Venue


@pytest.fixture(scope="module")
def shared_venue() -> Iterator[Venue]:
    venue = Venue(Plan(["BTCUSDT"], seed=7, rate=2.5))
    venue.exchange.asleep.clear()  # only what the tests ask for wakes
    yield venue
    venue.stop()


@pytest.fixture
def venue(shared_venue: Venue) -> Iterator[Venue]:
    """A lively exchange, shared by a module's tests; faults and clock are set right after each."""
    yield shared_venue
    shared_venue.shift_ms = 0
    shared_venue.inside(shared_venue.server.faults.clear)
    shared_venue.server.rest.weights = Weights()


@pytest.fixture
def fresh_venue() -> Iterator[Venue]:
    """An exchange of the test's own, every balance as granted."""
    venue = Venue(Plan([], seed=3))
    venue.exchange.asleep.clear()
    yield venue
    venue.stop()
