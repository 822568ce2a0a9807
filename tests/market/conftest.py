from collections.abc import Iterator

import pytest

from tests.market.venue import Venue


@pytest.fixture
def venue() -> Iterator[Venue]:
    venue = Venue()
    yield venue
    venue.stop()
