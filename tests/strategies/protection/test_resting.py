"""A stop rests at the exchange for what is held."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from orders.models import Order, Position
from orders.venue.exchange import Refused
from strategies import tasks
from tests.builders import FILTERS
from tests.fakes import FakeExchange
from tests.strategies.protection.steps import newest_stop, statuses, sweep
from tradingsite import wiring

pytestmark = pytest.mark.django_db


def test_what_is_held_gets_a_stop_that_rests(position: Position, stop: Order) -> None:
    assert (stop.status, stop.side, stop.kind) == ("NEW", "SELL", "STOP_LOSS")
    assert (stop.quantity, stop.stop_price) == (position.quantity, position.stop_price)
    assert "-stop-" in stop.client_order_id


def test_it_is_written_as_soon_as_the_position_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tasks.open_protective_stops, "delay", lambda: asked.append("open"))
    wiring.protect_positions([])
    settings.PROTECTIVE_STOPS = False
    wiring.protect_positions([])
    assert asked == ["open"]


def test_its_price_is_on_the_tick_below(position: Position, exchange: FakeExchange) -> None:
    Position.objects.update(stop_price=Decimal("54000.0099"))
    sweep(exchange, 1)
    assert newest_stop().stop_price == Decimal(54000)


@pytest.mark.thorough
def test_there_is_one_however_often_it_is_swept(stop: Order, exchange: FakeExchange) -> None:
    for seconds in range(2, 100):
        sweep(exchange, seconds)
    assert statuses() == ["STOP_LOSS NEW"]
    assert len(exchange.placed) == 2  # the entry and the stop


def test_switched_off_there_is_none(
    position: Position, exchange: FakeExchange, settings: Settings
) -> None:
    settings.PROTECTIVE_STOPS = False
    sweep(exchange, 1)
    assert statuses() == []


@pytest.mark.parametrize("name", ["PROTECTIVE_STOPS", "TRADING_ENABLED"])
def test_what_rests_is_taken_back_once_switched_off(
    stop: Order, exchange: FakeExchange, settings: Settings, name: str
) -> None:
    setattr(settings, name, False)
    for seconds in range(2, 6):
        sweep(exchange, seconds)
    assert statuses() == ["STOP_LOSS CANCELED"]


def test_a_position_that_grows_gets_another(
    position: Position, stop: Order, exchange: FakeExchange
) -> None:
    Position.objects.update(quantity=Decimal("0.002"), stop_price=Decimal(53000))
    sweep(exchange, 2)
    sweep(exchange, 3)
    assert statuses() == ["STOP_LOSS CANCELED", "STOP_LOSS NEW"]
    assert (newest_stop().quantity, newest_stop().stop_price) == (Decimal("0.002"), Decimal(53000))


def test_what_is_too_little_to_sell_gets_none(position: Position, exchange: FakeExchange) -> None:
    Position.objects.update(stop_price=Decimal(4999))  # the smallest notional is 5
    sweep(exchange, 1)
    assert statuses() == []


def test_no_more_rest_than_the_exchange_takes(position: Position, exchange: FakeExchange) -> None:
    most = {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 0}
    position.symbol.filters = [*FILTERS, most]
    position.symbol.save()
    sweep(exchange, 1)
    assert statuses() == []


def test_a_refused_one_is_tried_again_after_a_pause(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures = [Refused(-2010, "Order would trigger immediately.")] * 2
    tried = []
    for seconds in range(1, 20):
        sweep(exchange, seconds)
        tried.append(len(statuses()))
    assert tried[:8] == [1, 1, 2, 2, 2, 2, 3, 3]
    assert statuses() == ["STOP_LOSS REJECTED", "STOP_LOSS REJECTED", "STOP_LOSS NEW"]
