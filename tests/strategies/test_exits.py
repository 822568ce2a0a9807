"""Stops and halts sell a position: once at a time, and until it is sold."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from orders.core.stops import Hit, Stop, hit
from orders.models import HaltLevel, Position
from orders.services import open_stops, set_halt, submit
from orders.venue.exchange import Refused
from strategies.models import Signal, Strategy
from strategies.services import finish_exits, flatten, stop_out
from tests.builders import NOON, NOON_MS, candle, tick
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(seconds=10)
REFUSED = Refused(-2010, "no funds")


def hits() -> list[Hit]:
    return hit(open_stops(), [tick("53999", time_ms=NOON_MS + 5000)])


def hit_of(position: Position) -> Hit:
    """A hit by a process that had read the stops before another sale began."""
    assert position.stop_price is not None
    stop = Stop(position.pk, "BTCUSDT", position.stop_price, NOON_MS)
    return Hit(stop, Decimal(53999), NOON_MS + 5000, 1)


def sell(signal: Signal | None, exchange: FakeExchange, at: datetime = LATER) -> None:
    assert signal is not None and signal.order is not None  # noqa: PT018
    submit([signal.order.pk], exchange, lambda: at)


def test_a_hit_stop_sells_the_position(position: Position, exchange: FakeExchange) -> None:
    [signal] = stop_out(hits(), LATER, FakeExchange())
    assert (signal.reason, signal.side, signal.price) == ("stop_loss", "SELL", Decimal(53999))
    assert signal.outcome == "ordered"
    sell(signal, exchange)
    position.refresh_from_db()
    assert position.status == Position.Status.CLOSED


def test_the_same_hit_twice_sells_once(position: Position) -> None:
    seen = hits()
    assert len(stop_out(seen, LATER, FakeExchange())) == 1
    assert stop_out(seen, LATER, FakeExchange()) == []
    assert (
        finish_exits(LATER + timedelta(hours=1), FakeExchange()) == []
    )  # the first is still under way


def test_a_hit_of_a_position_already_sold_does_nothing(
    position: Position, exchange: FakeExchange
) -> None:
    seen = hits()
    sell(stop_out(seen, LATER, FakeExchange())[0], exchange)
    assert stop_out(seen, LATER, FakeExchange()) == []


def test_a_sale_that_failed_is_tried_again_after_a_pause(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures = [REFUSED]
    sell(stop_out(hits(), LATER, FakeExchange())[0], exchange)
    assert finish_exits(LATER + timedelta(seconds=1), FakeExchange()) == []
    [second] = finish_exits(LATER + timedelta(seconds=2), FakeExchange())
    assert second.key.endswith("-2")
    sell(second, exchange, LATER + timedelta(seconds=2))
    position.refresh_from_db()
    assert position.status == Position.Status.CLOSED


@pytest.mark.thorough
def test_attempts_that_keep_failing_come_less_often(
    position: Position, exchange: FakeExchange
) -> None:
    now, pauses = LATER, []
    stop_out(hits(), now, FakeExchange())
    for _ in range(7):
        exchange.failures = [REFUSED]
        sell(Signal.objects.first(), exchange, now)
        waited = 0
        while not finish_exits(now + timedelta(seconds=waited), FakeExchange()):
            waited += 1
        pauses.append(waited)
        now += timedelta(seconds=waited)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]


def test_a_hit_while_another_sale_is_under_way_is_not_forgotten_when_that_fails(
    position: Position, exchange: FakeExchange
) -> None:
    [other] = flatten(LATER, FakeExchange())
    assert stop_out([hit_of(position)], LATER, FakeExchange()) == []
    exchange.failures = [REFUSED]
    sell(other, exchange)
    [again] = finish_exits(LATER + timedelta(minutes=5), FakeExchange())
    sell(again, exchange, LATER + timedelta(minutes=5))
    position.refresh_from_db()
    assert position.status == Position.Status.CLOSED


def test_a_position_never_hit_is_left_alone(position: Position) -> None:
    assert finish_exits(LATER, FakeExchange()) == []


def test_disabled_trading_keeps_the_position_and_sells_it_once_enabled(
    position: Position, settings: Settings
) -> None:
    settings.TRADING_ENABLED = False
    [signal] = stop_out(hits(), LATER, FakeExchange())
    assert signal.outcome.startswith("denied: trading_disabled")
    settings.TRADING_ENABLED = True
    [signal] = finish_exits(LATER + timedelta(minutes=1), FakeExchange())
    assert signal.outcome == "ordered"


def test_flatten_sells_every_open_position(position: Position, exchange: FakeExchange) -> None:
    candle(position.symbol, "58000").save()
    [signal] = flatten(LATER, FakeExchange())
    assert (signal.reason, signal.price) == ("halt", Decimal(58000))
    sell(signal, exchange)
    assert flatten(LATER, FakeExchange()) == []


def test_flatten_sells_for_a_disabled_strategy_and_goes_on_until_it_is_sold(
    position: Position, exchange: FakeExchange
) -> None:
    Strategy.objects.update(enabled=False)
    set_halt("flatten", None, "", NOON)
    exchange.failures = [REFUSED] * 3
    at = LATER
    for _ in range(4):
        [signal] = finish_exits(at, FakeExchange())
        sell(signal, exchange, at)
        at += timedelta(minutes=1)
    position.refresh_from_db()
    assert position.status == Position.Status.CLOSED


@pytest.mark.parametrize(("level", "sales"), [("off", 0), ("no_entries", 0), ("flatten", 1)])
def test_the_sweep_sells_while_the_halt_says_flatten(
    position: Position, level: str, sales: int
) -> None:
    set_halt(HaltLevel(level), None, "", NOON)
    assert len(finish_exits(LATER, FakeExchange())) == sales


def test_a_stop_and_a_flatten_never_both_sell(position: Position) -> None:
    set_halt("flatten", None, "", NOON)
    assert len(stop_out(hits(), LATER, FakeExchange())) == 1
    assert flatten(LATER, FakeExchange()) == []
