"""An exchange in memory, and a position that was bought there."""

import pytest

from orders.models import Position
from orders.services import submit
from tests.builders import NOON, opened, strategy, symbol
from tests.fakes import FakeExchange


@pytest.fixture
def exchange() -> FakeExchange:
    return FakeExchange()


@pytest.fixture
def position(exchange: FakeExchange) -> Position:
    """Bought by A at 60,000, with a stop at 54,000."""
    strategy()
    submit([opened(symbol()).pk], exchange, lambda: NOON)
    return Position.objects.get()
