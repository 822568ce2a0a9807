"""Orders are sent at most once, and looked up where no answer came."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from market.ticks import Side
from orders.core.status import OrderStatus
from orders.models import HaltLevel, Order, Position, Trade
from orders.services import (
    ANSWER_DUE,
    create_orders,
    resolve_order,
    set_halt,
    submit,
)
from orders.services.lookup import NOT_FOUND
from orders.venue.exchange import Busy, OutcomeUnknown, Refused
from tests.builders import NOON, intent, opened, symbol
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db
SOON = NOON + timedelta(seconds=1)
LOST = OutcomeUnknown("timed out")


def at(time: datetime) -> Callable[[], datetime]:
    return lambda: time


@pytest.fixture
def order() -> Order:
    return opened(symbol())


def history(order: Order) -> list[str]:
    return [change.status for change in order.changes.all()]


def test_an_order_is_sent_and_its_answer_booked(order: Order) -> None:
    exchange = FakeExchange(slices=3)
    submit([order.pk], exchange, at(SOON))
    order.refresh_from_db()
    assert history(order) == ["PENDING", "SUBMITTED", "FILLED"]
    assert [trade.trade_id for trade in order.trades.order_by("trade_id")] == [1, 2, 3]
    assert Position.objects.get().quantity == order.quantity


def test_a_lost_answer_is_looked_up_not_sent_again(order: Order) -> None:
    exchange = FakeExchange(fails_with=LOST)
    submit([order.pk], exchange, at(SOON))
    submit([order.pk], exchange, at(SOON))
    resolve_order(order.pk, exchange, at(SOON))
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED
    assert len(exchange.placed) == 1
    assert Trade.objects.count() == 1


def test_an_order_that_never_arrived_ends_once_it_cannot_arrive_any_more(order: Order) -> None:
    exchange = FakeExchange(fails_with=LOST, executes=False)
    submit([order.pk], exchange, at(NOON))
    resolve_order(order.pk, exchange, at(NOON + timedelta(seconds=20)))
    assert history(order)[-1] == "UNKNOWN"
    resolve_order(order.pk, exchange, at(NOON + timedelta(seconds=21)))
    order.refresh_from_db()
    assert order.status == OrderStatus.EXPIRED_UNSENT
    assert len(exchange.placed) == 1
    asked, gave_up = [(one.at, one.detail) for one in order.changes.all()][-2:]
    assert asked == (NOON + timedelta(seconds=20), NOT_FOUND)
    assert "21.0 s after" in gave_up[1]
    assert "openOrders listed 0, allOrders 0 and myTrades 0" in gave_up[1]


def test_an_order_that_only_the_trades_know_is_found_by_them(order: Order) -> None:
    exchange = FakeExchange(fails_with=LOST)
    submit([order.pk], exchange, at(NOON))
    exchange.unlisted.add(order.client_order_id)
    resolve_order(order.pk, exchange, at(NOON + timedelta(seconds=19)))
    assert history(order)[-1] == "UNKNOWN"
    resolve_order(order.pk, exchange, at(NOON + timedelta(seconds=21)))
    order.refresh_from_db()
    assert (order.status, order.trades.count()) == (OrderStatus.FILLED, 1)


def test_an_order_that_arrives_after_all_is_booked(order: Order) -> None:
    exchange = FakeExchange(fails_with=LOST, late=True)
    submit([order.pk], exchange, at(NOON))
    resolve_order(order.pk, exchange, at(NOON + timedelta(seconds=9)))
    exchange.carry_out_late()
    resolve_order(order.pk, exchange, at(NOON + timedelta(seconds=15)))
    assert history(order) == ["PENDING", "SUBMITTED", "UNKNOWN", "UNKNOWN", "FILLED"]


def test_a_lookup_that_fails_decides_nothing(order: Order) -> None:
    late = NOON + timedelta(hours=1)
    failures = [LOST, Busy(1, "slow down"), Refused(-2015, "Invalid API-key")]
    exchange = FakeExchange(fails_with=LOST, lookups_fail_with=failures)
    submit([order.pk], exchange, at(NOON))
    for _ in failures:
        resolve_order(order.pk, exchange, at(late))
        order.refresh_from_db()
        assert order.status == OrderStatus.UNKNOWN
    resolve_order(order.pk, exchange, at(late))
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED


def test_fills_that_lag_behind_are_waited_for(order: Order) -> None:
    exchange = FakeExchange(fails_with=LOST, slices=2)
    submit([order.pk], exchange, at(SOON))
    whole = exchange.hide_fills(order.client_order_id)
    resolve_order(order.pk, exchange, at(SOON))
    order.refresh_from_db()
    assert (order.status, order.trades.count()) == (OrderStatus.UNKNOWN, 1)
    exchange.reports[order.client_order_id] = whole
    resolve_order(order.pk, exchange, at(SOON))
    order.refresh_from_db()
    assert (order.status, order.trades.count()) == (OrderStatus.FILLED, 2)
    assert Position.objects.get().quantity == order.quantity


def test_a_refusal_ends_the_order_with_its_code(order: Order) -> None:
    exchange = FakeExchange(fails_with=Refused(-2010, "insufficient balance"))
    submit([order.pk], exchange, at(SOON))
    order.refresh_from_db()
    assert (order.status, order.reason) == ("REJECTED", "-2010 insufficient balance")


def test_a_busy_exchange_gets_the_order_later(order: Order) -> None:
    exchange = FakeExchange(fails_with=Busy(1, "slow down"))
    submit([order.pk], exchange, at(SOON))
    assert Order.objects.unsent().ids() == [order.pk]
    submit(Order.objects.unsent().ids(), exchange, at(SOON))
    assert history(order) == ["PENDING", "SUBMITTED", "PENDING", "SUBMITTED", "FILLED"]


def test_an_order_grown_stale_is_not_sent(order: Order) -> None:
    exchange = FakeExchange()
    submit([order.pk], exchange, at(NOON + timedelta(minutes=5, seconds=1)))
    order.refresh_from_db()
    assert order.status == OrderStatus.EXPIRED_UNSENT
    assert exchange.placed == []


def test_a_halt_stops_an_entry_that_is_not_sent_yet(order: Order) -> None:
    exchange = FakeExchange()
    set_halt(HaltLevel.NO_ENTRIES, None, "", SOON)
    submit([order.pk], exchange, at(SOON))
    order.refresh_from_db()
    assert (order.status, exchange.placed) == (OrderStatus.EXPIRED_UNSENT, [])


def test_several_are_sent_at_once() -> None:
    symbols = [symbol(name) for name in ("BTCUSDT", "ETHUSDT")]
    wishes = [
        intent(of, number=10 * n + k, strategy=f"S{k}")
        for n, of in enumerate(symbols)
        for k in range(5)
    ]
    orders = create_orders(wishes, symbols, FakeExchange(), now=NOON)
    exchange = FakeExchange(fails_with=[LOST, Busy(1, "wait"), Refused(-1013, "filter")])
    submit([order.pk for order in orders], exchange, at(SOON))
    statuses = sorted(Order.objects.values_list("status", flat=True))
    assert statuses == ["FILLED"] * 7 + ["PENDING", "REJECTED", "UNKNOWN"]
    assert len({request.client_order_id for request in exchange.placed}) == 10


def test_an_order_whose_sender_died_is_looked_up_once_its_answer_is_due(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.SUBMITTED, submitted_at=NOON)
    assert Order.objects.unanswered(NOON + timedelta(seconds=2) - ANSWER_DUE).ids() == []
    assert Order.objects.unanswered(NOON + timedelta(seconds=4) - ANSWER_DUE).ids() == [order.pk]


def test_what_was_bought_is_sold_again() -> None:
    btc = symbol()
    exchange = FakeExchange(fee="0.001")
    submit([opened(btc).pk], exchange, at(SOON))
    exchange.price += 1000
    sale = opened(btc, Side.SELL, number=2)
    submit([sale.pk], exchange, at(SOON))
    position = Position.objects.get()
    assert position.status == Position.Status.CLOSED
    assert position.quantity == exchange.placed[0].quantity * 999 / 1000 - sale.quantity
