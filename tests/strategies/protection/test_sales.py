"""A stop at the exchange never sells what another order sells."""

from decimal import Decimal

import pytest

from market.ticks import Side
from orders.models import Order, Position
from orders.services import create_orders, record, send_orders, set_halt
from orders.venue.exchange import Busy, Refused
from strategies.services import finish_exits, flatten, open_protective_stops, stop_out
from tests.builders import intent, opened
from tests.fakes import FakeExchange
from tests.strategies.protection.steps import (
    HELD,
    LOST,
    at,
    hits,
    newest_stop,
    sold,
    statuses,
    sweep,
    tick_stop,
)

pytestmark = pytest.mark.django_db


def test_the_tick_stop_takes_it_back_and_sells(stop: Order, exchange: FakeExchange) -> None:
    sale = tick_stop(exchange)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert sale.executed_quantity == sold(exchange) == HELD
    assert Position.objects.get().status == "closed"


def test_one_that_has_sold_leaves_the_tick_stop_nothing(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.trigger(stop.client_order_id)
    sale = tick_stop(exchange)
    assert statuses() == ["STOP_LOSS FILLED", "MARKET EXPIRED_UNSENT"]
    assert sale.reason == f"the protective stop {stop.client_order_id} has sold the position"
    assert sold(exchange) == HELD
    assert finish_exits(at(100), FakeExchange()) == []


def test_one_that_has_sold_in_part_leaves_the_rest(stop: Order, exchange: FakeExchange) -> None:
    exchange.trigger(stop.client_order_id, "0.0004")
    sale = tick_stop(exchange)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert (sale.quantity, sold(exchange)) == (Decimal("0.0006"), HELD)
    assert Position.objects.get().status == "closed"


def test_nothing_is_sold_before_it_is_known_to_have_ended(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.cancel_failures = [LOST]  # carried out
    exchange.lookup_failures = [LOST] * 3
    assert tick_stop(exchange).status == "PENDING"
    assert sold(exchange) == 0
    exchange.lookup_failures = []
    sweep(exchange, 12)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert sold(exchange) == HELD


def test_a_cancel_that_finds_nothing_decides_nothing(stop: Order, exchange: FakeExchange) -> None:
    exchange.trigger(stop.client_order_id)
    exchange.lookup_failures = [LOST]  # after the -2011
    assert tick_stop(exchange).status == "PENDING"
    sweep(exchange, 12)
    assert statuses() == ["STOP_LOSS FILLED", "MARKET EXPIRED_UNSENT"]
    assert sold(exchange) == HELD


def test_while_the_exchange_is_busy_the_sale_waits(stop: Order, exchange: FakeExchange) -> None:
    exchange.cancel_failures = [Busy(1, "limits")]
    assert tick_stop(exchange).status == "PENDING"
    sweep(exchange, 12)
    assert sold(exchange) == HELD


def test_one_whose_placement_was_not_answered_is_found_before_anything_is_sold(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures = [LOST]  # carried out
    exchange.lookup_failures = [LOST]
    sweep(exchange, 1)
    name = newest_stop().client_order_id
    exchange.unlisted = {name}
    assert tick_stop(exchange).status == "PENDING"
    exchange.unlisted = set()
    sweep(exchange, 12)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert sold(exchange) == HELD


def test_one_that_was_never_placed_stands_in_the_way_only_until_that_is_sure(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures, exchange.executes = [LOST], False
    sweep(exchange, 1)
    assert tick_stop(exchange).status == "PENDING"
    sweep(exchange, 22)
    sweep(exchange, 24)
    assert statuses() == ["STOP_LOSS EXPIRED_UNSENT", "MARKET FILLED"]


def test_one_that_was_not_sent_yet_never_is(position: Position, exchange: FakeExchange) -> None:
    open_protective_stops(at(1))
    tick_stop(exchange)
    send_orders([newest_stop().pk], exchange, lambda: at(11))
    assert statuses() == ["STOP_LOSS EXPIRED_UNSENT", "MARKET FILLED"]
    assert sold(exchange) == HELD


def test_a_sale_is_claimed_only_where_nothing_rests(stop: Order, exchange: FakeExchange) -> None:
    btc = stop.symbol
    sell = intent(btc, Side.SELL, 2)
    [sale] = create_orders([sell], [btc], FakeExchange(), now=at(5), send=True)
    assert sale.status == "PENDING"
    send_orders([sale.pk], exchange, lambda: at(5))
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]


def test_a_halt_takes_it_back_and_sells(stop: Order, exchange: FakeExchange) -> None:
    set_halt("flatten", None, "", at(5))
    assert len(flatten(at(6), FakeExchange())) == 1
    sweep(exchange, 7)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]


def test_none_is_written_while_a_sale_is_under_way(
    position: Position, exchange: FakeExchange
) -> None:
    [signal] = stop_out(hits(), at(10), FakeExchange())
    assert open_protective_stops(at(10)) == []
    assert signal.outcome == "ordered"


def test_a_failed_sale_is_tried_again_and_not_guarded_meanwhile(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.failures = [Refused(-2010, "no funds")]
    tick_stop(exchange)
    for seconds in range(11, 15):
        sweep(exchange, seconds)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET REJECTED", "MARKET FILLED"]


def test_nothing_is_bought_while_an_old_one_rests(position: Position, stop: Order) -> None:
    Position.objects.update(status="closed", quantity=0)
    entry = opened(stop.symbol, number=5)
    assert entry.reason == "order_open: the last position's protective stop has not ended"


def test_late_fills_are_awaited_before_the_rest_is_sold(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.trigger(stop.client_order_id, "0.0004")
    whole = exchange.hide_fills(stop.client_order_id)
    assert tick_stop(exchange).status == "PENDING"
    record(stop.pk, whole, at(11))  # the account's stream tells of them
    sweep(exchange, 12)
    assert (statuses()[1], sold(exchange)) == ("MARKET FILLED", HELD)
