"""Stops at the exchange while we are down, and in the account as it is reconciled."""

from dataclasses import replace

import pytest

from market.ticks import Side
from orders.core.status import OrderStatus
from orders.models import Alarm, Epoch, Order, Position
from orders.services import create_orders, open_stops, reconcile_account, submit
from orders.venue.exchange import OrderRequest
from tests.builders import NOON_MS, intent, strategy
from tests.fakes import FakeExchange
from tests.strategies.protection.steps import HELD, at, sold, statuses, sweep, tick_stop

pytestmark = pytest.mark.django_db


def test_one_that_sold_while_we_were_down_is_booked(stop: Order, exchange: FakeExchange) -> None:
    exchange.trigger(stop.client_order_id)
    reconcile_account(exchange, lambda: at(3600))
    assert Position.objects.get().status == "closed"
    assert open_stops() == []
    sweep(exchange, 3601)
    assert (sold(exchange), len(exchange.placed)) == (HELD, 2)


def test_one_that_others_cancelled_is_noticed_and_placed_anew(
    stop: Order, exchange: FakeExchange
) -> None:
    name, resting = stop.client_order_id, exchange.reports[stop.client_order_id]
    theirs = replace(resting, status=OrderStatus.CANCELED, client_order_id="theirs")
    exchange.reports[name] = theirs
    reconcile_account(exchange, lambda: at(3600))
    sweep(exchange, 3601)
    assert statuses() == ["STOP_LOSS CANCELED", "STOP_LOSS NEW"]


def test_one_that_rests_is_not_asked_for(stop: Order, exchange: FakeExchange) -> None:
    sweep(exchange, 3600)
    reconcile_account(exchange, lambda: at(3600))
    assert stop.client_order_id not in exchange.asked


def test_balances_are_held_against_our_books_while_one_rests(
    stop: Order, exchange: FakeExchange
) -> None:
    reconcile_account(exchange, lambda: at(60))
    assert not Alarm.objects.exists()
    exchange.held["BTC"] += 2
    reconcile_account(exchange, lambda: at(120))
    reconcile_account(exchange, lambda: at(240))
    assert Alarm.objects.get().raised_at is not None


def test_one_placed_after_a_reset_goes_on_in_the_new_epoch(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.reports.clear()
    strategy("B")
    wish = intent(stop.symbol, number=2, strategy="B", expires_ms=NOON_MS + 900_000)
    [entry] = create_orders([wish], [stop.symbol], FakeExchange(), now=at(300))
    submit([entry.pk], exchange, lambda: at(300))
    sweep(exchange, 301)
    reconcile_account(exchange, lambda: at(400))
    assert statuses() == ["STOP_LOSS EXPIRED", "STOP_LOSS NEW"]
    assert Epoch.objects.count() == 2


def test_after_a_reset_its_number_is_nobody_elses(stop: Order, exchange: FakeExchange) -> None:
    request = OrderRequest("BTCUSDT", Side.BUY, HELD, "theirs", NOON_MS)
    exchange.reports = {"gone": exchange.reports["test-1"]}  # so that the next is number 2
    exchange.place(request)
    assert exchange.reports["theirs"].exchange_order_id == stop.exchange_order_id
    assert tick_stop(exchange).status == "PENDING"
    stop.refresh_from_db()
    assert (stop.status, stop.trades.count()) == ("NEW", 0)


def test_cancels_are_not_taken_for_a_reset(stop: Order, exchange: FakeExchange) -> None:
    Order.objects.filter(side="BUY").update(exchange_order_id=None)
    assert stop.exchange_order_id is not None
    exchange.cancel("BTCUSDT", stop.client_order_id, stop.exchange_order_id)
    reconcile_account(exchange, lambda: at(3600))
    assert Epoch.objects.count() == 1
