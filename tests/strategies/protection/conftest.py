"""A position with a protective stop, which is switched on for these tests."""

import pytest
from pytest_django import Settings

from orders.models import Order, Position
from orders.services import reconcile_account, submit
from tests.builders import NOON, opened, strategy, symbol
from tests.fakes import FakeExchange
from tests.strategies.protection.steps import at, newest_stop, sweep


@pytest.fixture(autouse=True)
def on(settings: Settings) -> None:
    settings.PROTECTIVE_STOPS = True


@pytest.fixture
def position(exchange: FakeExchange) -> Position:
    """Bought by A at 60,000 in an epoch that began before, with a stop at 54,000."""
    strategy()
    btc = symbol()
    reconcile_account(exchange, lambda: at(-60))
    submit([opened(btc).pk], exchange, lambda: NOON)
    return Position.objects.get()


@pytest.fixture
def stop(position: Position, exchange: FakeExchange) -> Order:
    """Its stop, resting."""
    sweep(exchange, 1)
    return newest_stop()
