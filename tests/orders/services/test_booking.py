"""Fills are booked once, whatever is said twice, late or in the wrong order."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from market.models import Symbol
from market.ticks import Side
from orders.core.position import Fill
from orders.core.status import ENDED, TRANSITIONS, OrderStatus
from orders.models import Order, Position, Trade
from orders.services import open_stops, record, submit
from orders.venue.exchange import ExecutionReport, OrderRequest
from tests.builders import NOON, NOON_MS, decimals, fill, opened, symbol
from tests.fakes import FakeExchange
from tests.laws import examples


def report(order: Order, status: OrderStatus, *fills: Fill) -> ExecutionReport:
    done = sum((f.quantity for f in fills), Decimal(0))
    quote = sum((f.quote_quantity for f in fills), Decimal(0))
    return ExecutionReport(order.client_order_id, 7, status, done, quote, fills)


def bought(btc: Symbol, *fills: Fill, number: int = 1) -> Position:
    order = opened(btc, number=number)
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.SUBMITTED, submitted_at=NOON)
    record(order.pk, report(order, OrderStatus.FILLED, *fills), NOON)
    return Position.objects.get(status="open")


@pytest.mark.django_db
class TestPositions:
    def test_a_buy_opens_a_position_with_its_stop(self) -> None:
        position = bought(symbol(), fill(1, price="60000"), fill(2, price="60010"))
        assert (position.entry_price, position.stop_price) == decimals("60005", "54004.5")
        assert position.opened_at == NOON
        [stop] = open_stops()
        assert (stop.position_id, stop.price, stop.since_ms) == (
            position.pk,
            position.stop_price,
            NOON_MS,
        )

    def test_a_position_under_sale_has_no_stop_to_watch(self) -> None:
        btc = symbol()
        bought(btc, fill(1, price="60000"))
        opened(btc, Side.SELL, number=2)
        assert open_stops() == []

    def test_dust_stays_on_the_books_and_moves_to_the_next_position(self) -> None:
        btc = symbol()
        first = bought(btc, fill(1, Side.BUY, "60000", "0.001", "0.000001", "BTC"))
        sale = opened(btc, Side.SELL, number=2)
        Order.objects.filter(pk=sale.pk).update(status=OrderStatus.SUBMITTED)
        sold = fill(2, Side.SELL, "61000", str(sale.quantity))
        record(sale.pk, report(sale, OrderStatus.FILLED, sold), NOON)
        first.refresh_from_db()
        assert (first.status, first.quantity) == ("closed", Decimal("0.000009"))
        dust_cost = first.cost
        second = bought(btc, fill(3, Side.BUY, "60000", "0.001"), number=3)
        first.refresh_from_db()
        assert (second.quantity, first.quantity) == decimals("0.001009", "0")
        assert (second.cost, first.cost) == (60 + dust_cost, Decimal(0))
        assert second.entry_price == 60000

    def test_an_entry_that_brought_too_little_to_sell_leaves_no_open_position(self) -> None:
        order = opened(symbol())
        Order.objects.filter(pk=order.pk).update(status=OrderStatus.SUBMITTED)
        crumb = fill(1, price="60000", quantity="0.00002")
        record(order.pk, report(order, OrderStatus.EXPIRED, crumb), NOON)
        position = Position.objects.get()
        assert (position.status, position.quantity) == ("closed", Decimal("0.00002"))

    def test_a_sale_that_ended_half_way_leaves_the_rest_to_be_sold(self) -> None:
        btc = symbol()
        position = bought(btc, fill(1, price="60000"))
        sale = opened(btc, Side.SELL, number=2)
        Order.objects.filter(pk=sale.pk).update(status=OrderStatus.SUBMITTED)
        half = fill(2, Side.SELL, "60000", "0.0004")
        record(sale.pk, report(sale, OrderStatus.EXPIRED, half), NOON)
        position.refresh_from_db()
        assert (position.status, position.quantity) == ("open", Decimal("0.0006"))
        assert list(Position.objects.exiting()) == [position]
        assert open_stops() == []

    def test_what_the_exchange_says_overrules_that_an_order_was_never_placed(self) -> None:
        btc = symbol()
        order = opened(btc)
        Order.objects.filter(pk=order.pk).update(status=OrderStatus.EXPIRED_UNSENT)
        record(order.pk, report(order, OrderStatus.FILLED, fill(1, price="60000")), NOON)
        order.refresh_from_db()
        assert order.status == OrderStatus.FILLED
        assert Position.objects.get().quantity == Decimal("0.001")


statuses = st.sampled_from(
    ["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"]
).map(OrderStatus)


class TestAnyRunOfReports(TestCase):
    @pytest.mark.thorough
    @settings(max_examples=examples(60))
    @given(st.lists(st.tuples(statuses, st.sets(st.integers(1, 4))), max_size=8))
    def test_books_each_fill_once_and_never_goes_back(
        self, reports: list[tuple[OrderStatus, set[int]]]
    ) -> None:
        order = opened(symbol())
        Order.objects.filter(pk=order.pk).update(status=OrderStatus.SUBMITTED, submitted_at=NOON)
        fills = {n: fill(n, price="60000", quantity="0.00025") for n in range(1, 5)}
        for second, (status, known) in enumerate(reports):
            seen = report(order, status, *(fills[n] for n in known))
            record(order.pk, seen, NOON + timedelta(seconds=second))
        said = {number for _, known in reports for number in known}
        assert set(Trade.objects.values_list("trade_id", flat=True)) == said
        held = sum(Position.objects.values_list("quantity", flat=True), Decimal(0))
        assert held == Decimal("0.00025") * len(said)
        assert_allowed([OrderStatus(change.status) for change in order.changes.all()][1:])


def assert_allowed(history: list[OrderStatus]) -> None:
    before = OrderStatus.SUBMITTED
    for after in history:
        assert after in TRANSITIONS[before]
        before = after
    assert all(status not in ENDED for status in history[:-1])


@pytest.mark.django_db
def test_what_is_said_twice_changes_nothing() -> None:
    order = opened(symbol())
    exchange = FakeExchange(slices=2)
    submit([order.pk], exchange, lambda: NOON)
    before = Position.objects.values().get()
    again = exchange.reports[order.client_order_id]
    record(order.pk, again, NOON)
    record(order.pk, replace(again, status=OrderStatus.NEW, fills=again.fills[:1]), NOON)
    assert Position.objects.values().get() == before
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED


def test_the_fake_takes_what_the_protocol_says() -> None:
    request = OrderRequest("BTCUSDT", Side.BUY, Decimal("0.002"), "x-1", NOON_MS)
    filled = FakeExchange(slices=3).place(request)
    assert sum(f.quantity for f in filled.fills) == filled.executed_quantity == Decimal("0.002")


@pytest.mark.django_db
def test_an_order_put_back_for_sending_is_not_sent_where_the_exchange_knows_it() -> None:
    order = opened(symbol())
    record(order.pk, report(order, OrderStatus.FILLED, fill(1, price="60000")), NOON)
    exchange = FakeExchange()
    submit([order.pk], exchange, lambda: NOON)
    order.refresh_from_db()
    assert (order.status, exchange.placed) == (OrderStatus.FILLED, [])
