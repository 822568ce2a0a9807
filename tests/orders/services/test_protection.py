"""A protective stop written down, or not."""

import pytest
from pytest_django import Settings

from orders.models import Order, Position
from orders.services import create_protective_stop, submit
from tests.builders import NOON, opened, symbol
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(settings: Settings) -> Position:
    settings.PROTECTIVE_STOPS = True
    submit([opened(symbol()).pk], FakeExchange(), lambda: NOON)
    return Position.objects.get()


def test_one_is_written_for_what_is_held(held: Position) -> None:
    stop = create_protective_stop(held.pk, "stop-1", NOON)
    assert stop is not None
    assert (stop.kind, stop.quantity, stop.status) == ("STOP_LOSS", held.quantity, "PENDING")


def test_a_name_is_never_used_twice_however_its_stop_ended(held: Position) -> None:
    assert create_protective_stop(held.pk, "stop-1", NOON)
    Order.objects.filter(client_order_id="stop-1").update(status="EXPIRED_UNSENT", ended_at=NOON)
    assert create_protective_stop(held.pk, "stop-1", NOON) is None
    assert create_protective_stop(held.pk, "stop-2", NOON)


def test_none_for_what_is_closed(held: Position) -> None:
    Position.objects.update(status=Position.Status.CLOSED)
    assert create_protective_stop(held.pk, "stop-1", NOON) is None
