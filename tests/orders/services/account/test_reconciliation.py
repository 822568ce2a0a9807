"""The account held against our books: what we missed, what is not ours, what doesn't add up."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection

from market.models import Symbol
from market.ticks import Side
from orders.core.status import OrderStatus
from orders.models import Alarm, Epoch, ForeignOrder, Order, Position
from orders.services import (
    accept_alarm,
    open_stops,
    raised_alarms,
    reconcile_account,
    submit,
)
from orders.venue.exchange import Busy, ListedOrder, OrderRequest, OutcomeUnknown
from tests.builders import NOON, NOON_MS, opened, symbol
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db
LOST = OutcomeUnknown("timed out")


class Clock:
    """Starts an hour before noon, when nothing had been ordered yet."""

    def __init__(self) -> None:
        self.now = NOON - timedelta(hours=1)

    def __call__(self) -> datetime:
        return self.now

    def at(self, seconds: float) -> "Clock":
        """So many seconds after noon."""
        self.now = NOON + timedelta(seconds=seconds)
        return self


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def btc() -> Symbol:
    return symbol()


@pytest.fixture
def exchange(btc: Symbol, clock: Clock) -> FakeExchange:
    """An account whose epoch has begun, with one order filled at noon."""
    fake = FakeExchange(fee="0.001", slices=2)
    reconcile_account(fake, clock)
    submit([opened(btc).pk], fake, clock.at(0))
    return fake


def test_an_epoch_begins_with_what_the_account_holds(clock: Clock, btc: Symbol) -> None:
    reconcile_account(FakeExchange(), clock)
    epoch = Epoch.objects.get()
    assert epoch.balances == {"USDT": "1000000", "BTC": "10", "ETH": "100"}
    assert epoch.started_at == clock.now


def test_none_begins_while_an_order_is_under_way(clock: Clock, btc: Symbol) -> None:
    opened(btc)
    reconcile_account(FakeExchange(), clock)
    assert not Epoch.objects.exists()


def test_books_that_agree_raise_nothing(exchange: FakeExchange, clock: Clock, btc: Symbol) -> None:
    exchange.price += 100
    submit([opened(btc, Side.SELL, number=2).pk], exchange, clock.at(30))
    for minute in range(1, 5):
        reconcile_account(exchange, clock.at(60 * minute))
    assert not Alarm.objects.exists()
    assert not ForeignOrder.objects.exists()


def test_fills_that_we_missed_are_booked(exchange: FakeExchange, clock: Clock, btc: Symbol) -> None:
    exchange.failures.append(LOST)
    sale = opened(btc, Side.SELL, number=2)
    submit([sale.pk], exchange, clock.at(1))
    reconcile_account(exchange, clock.at(60))
    sale.refresh_from_db()
    assert (sale.status, sale.trades.count()) == (OrderStatus.FILLED, 2)
    assert Position.objects.get().status == "closed"


def test_an_order_taken_for_unsent_is_found_and_booked(
    exchange: FakeExchange, clock: Clock, btc: Symbol
) -> None:
    exchange.failures.append(LOST)
    sale = opened(btc, Side.SELL, number=2)
    submit([sale.pk], exchange, clock.at(1))
    Order.objects.filter(pk=sale.pk).update(status=OrderStatus.EXPIRED_UNSENT, ended_at=NOON)
    reconcile_account(exchange, clock.at(60))
    sale.refresh_from_db()
    assert (sale.status, sale.trades.count()) == (OrderStatus.FILLED, 2)


def test_one_that_is_not_ours_is_shown_and_explains_what_it_moved(
    exchange: FakeExchange, clock: Clock
) -> None:
    exchange.place(OrderRequest("BTCUSDT", Side.BUY, Decimal("0.5"), "theirs", NOON_MS + 1000))
    for minute in range(1, 6):
        reconcile_account(exchange, clock.at(60 * minute))
    other = ForeignOrder.objects.get()
    assert (other.client_order_id, other.side, other.status) == ("theirs", "BUY", "FILLED")
    assert (other.quantity, other.net_quantity) == (Decimal("0.5"), Decimal("0.4995"))
    assert raised_alarms() == []
    assert Order.objects.count() == 1


def test_one_that_rests_is_shown_too(exchange: FakeExchange, clock: Clock) -> None:
    amounts = Decimal(1), Decimal(0)
    resting = ListedOrder("theirs", 99, OrderStatus.NEW, Side.SELL, *amounts, NOON_MS - 10**9)
    exchange.others.append(resting)
    reconcile_account(exchange, clock.at(60))
    assert ForeignOrder.objects.get().status == OrderStatus.NEW


class TestAlarms:
    def test_a_difference_that_lasts_raises_one_and_denies_entries(
        self, exchange: FakeExchange, clock: Clock, btc: Symbol
    ) -> None:
        exchange.held["BTC"] -= Decimal("0.25")
        reconcile_account(exchange, clock.at(60))
        assert raised_alarms() == []
        reconcile_account(exchange, clock.at(60 + 90))
        [alarm] = raised_alarms()
        assert alarm.text == "account balance 9.750999 BTC, expected 10.000999"
        denied = opened(btc, number=2, strategy="B")
        assert (denied.status, denied.reason.split(":")[0]) == ("DENIED", "unreconciled")
        assert opened(btc, Side.SELL, number=3).status == OrderStatus.PENDING

    def test_other_symbols_are_traded_on(self, exchange: FakeExchange, clock: Clock) -> None:
        eth = symbol("ETHUSDT")
        exchange.held["BTC"] -= Decimal("0.25")
        for seconds in (60, 160):
            reconcile_account(exchange, clock.at(seconds))
        assert [alarm.symbol.name for alarm in raised_alarms()] == ["BTCUSDT"]
        assert opened(eth, number=4).status == OrderStatus.PENDING

    def test_it_settles_itself(self, exchange: FakeExchange, clock: Clock, btc: Symbol) -> None:
        exchange.held["BTC"] -= 1
        for seconds in (60, 160):
            reconcile_account(exchange, clock.at(seconds))
        exchange.held["BTC"] += 1
        reconcile_account(exchange, clock.at(220))
        alarm = Alarm.objects.get()
        assert alarm.settled_at == clock.now
        assert opened(btc, number=2, strategy="B").status == OrderStatus.PENDING

    def test_one_that_is_accepted_lets_entries_pass_and_does_not_come_back(
        self, exchange: FakeExchange, clock: Clock, btc: Symbol
    ) -> None:
        symbol("BTCEUR", base_asset="BTC", quote_asset="EUR")  # the same asset, so it says the same
        operator = User.objects.create_user("operator")
        exchange.held["BTC"] += Decimal("0.25")
        for seconds in (60, 160):
            reconcile_account(exchange, clock.at(seconds))
        first, second = raised_alarms()
        assert accept_alarm(first.pk, Decimal("0.25"), operator, clock.now) == [first, second]
        assert accept_alarm(second.pk, Decimal("0.25"), operator, clock.now) == []
        settled = Alarm.objects.values_list("settled_at", "accepted_by__username")
        assert set(settled) == {(clock.now, "operator")}
        assert opened(btc, number=2, strategy="B").status == OrderStatus.PENDING
        submit(Order.objects.unsent().ids(), exchange, clock)
        for seconds in (220, 320):
            reconcile_account(exchange, clock.at(seconds))
        assert raised_alarms() == []

    def test_what_has_moved_since_is_a_difference_again(
        self, exchange: FakeExchange, clock: Clock
    ) -> None:
        operator = User.objects.create_user("operator")
        exchange.held["BTC"] -= 1
        for seconds in (60, 160):
            reconcile_account(exchange, clock.at(seconds))
        exchange.held["BTC"] -= 2
        assert accept_alarm(raised_alarms()[0].pk, Decimal(-1), operator, clock.now)
        for seconds in (220, 320):
            reconcile_account(exchange, clock.at(seconds))
        assert [alarm.difference for alarm in raised_alarms()] == [-2]

    def test_what_was_not_shown_is_not_accepted(self, exchange: FakeExchange, clock: Clock) -> None:
        operator = User.objects.create_user("operator")
        exchange.held["BTC"] -= 1
        for seconds in (60, 160):
            reconcile_account(exchange, clock.at(seconds))
        assert accept_alarm(raised_alarms()[0].pk, Decimal("-0.9"), operator, clock.now) == []
        assert len(raised_alarms()) == 1

    def test_one_of_a_symbol_no_longer_followed_settles_too(
        self, exchange: FakeExchange, clock: Clock
    ) -> None:
        exchange.held["ETH"] -= 1
        symbol("ETHUSDT", base_asset="ETH")
        for seconds in (60, 160):
            reconcile_account(exchange, clock.at(seconds))
        Symbol.objects.filter(name="ETHUSDT").update(followed=False)
        assert [alarm.symbol.name for alarm in raised_alarms()] == ["ETHUSDT"]
        exchange.held["ETH"] += 1
        reconcile_account(exchange, clock.at(220))
        assert raised_alarms() == []

    def test_what_did_not_last_is_forgotten(self, exchange: FakeExchange, clock: Clock) -> None:
        exchange.held["BTC"] -= 1
        reconcile_account(exchange, clock.at(60))
        exchange.held["BTC"] += 1
        reconcile_account(exchange, clock.at(120))
        assert not Alarm.objects.exists()

    def test_an_account_that_we_never_used_may_change(self, clock: Clock, btc: Symbol) -> None:
        fake = FakeExchange()
        reconcile_account(fake, clock)
        fake.held["BTC"] = Decimal(1)
        reconcile_account(fake, clock.at(0))
        assert not Alarm.objects.exists()
        assert [epoch.balances["BTC"] for epoch in Epoch.objects.all()] == ["1", "10"]

    def test_an_exchange_that_is_busy_decides_nothing(
        self, exchange: FakeExchange, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy() -> dict[str, Decimal]:
            raise Busy(1, "no weight left")

        monkeypatch.setattr(exchange, "balances", busy)
        reconcile_account(exchange, clock.at(60))
        assert not Alarm.objects.exists()


class TestReset:
    def reset(self, exchange: FakeExchange) -> FakeExchange:
        """The same account, erased and granted anew."""
        return FakeExchange(fee="0.001", slices=2)

    def test_a_reset_begins_an_epoch_and_sells_nothing(
        self, exchange: FakeExchange, clock: Clock
    ) -> None:
        before = Position.objects.get()
        reconcile_account(self.reset(exchange), clock.at(120))
        position = Position.objects.get()
        assert position.status == "archived"
        assert (position.quantity, position.cost) == (before.quantity, before.cost)
        assert (position.realised, position.closed_at) == (before.realised, None)
        assert open_stops() == []
        epoch = Epoch.objects.all()[0]
        assert (epoch.reason, epoch.balances["BTC"]) == ("the exchange was reset", "10")

    def test_the_exchange_is_asked_while_no_transaction_is_open(
        self, exchange: FakeExchange, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        anew = self.reset(exchange)
        within: list[str] = []

        def lookup(*_: object) -> None:
            within.extend(connection.savepoint_ids)

        monkeypatch.setattr(anew, "lookup", lookup)
        reconcile_account(anew, clock.at(120))
        assert Position.objects.get().status == "archived"
        assert within == []

    def test_alarms_of_the_time_before_are_settled(
        self, exchange: FakeExchange, clock: Clock
    ) -> None:
        exchange.held["BTC"] -= 1
        for seconds in (60, 160):
            reconcile_account(exchange, clock.at(seconds))
        reconcile_account(self.reset(exchange), clock.at(220))
        assert raised_alarms() == []

    def test_it_is_seen_although_we_have_traded_since(
        self, exchange: FakeExchange, clock: Clock, btc: Symbol
    ) -> None:
        for number in (2, 3):
            submit([opened(btc, strategy="B", number=number).pk], exchange, clock.at(1))
        anew = self.reset(exchange)
        submit([opened(btc, strategy="C", number=4).pk], anew, clock.at(30))
        reconcile_account(anew, clock.at(120))
        statuses = dict(Position.objects.values_list("strategy", "status"))
        assert statuses == {"A": "archived", "B": "archived", "C": "open"}
        reconcile_account(anew, clock.at(180))
        assert not Alarm.objects.exists()

    def test_lists_that_lag_are_no_reset(
        self, exchange: FakeExchange, clock: Clock, btc: Symbol
    ) -> None:
        submit([opened(btc, strategy="B", number=2).pk], exchange, clock.at(1))
        del exchange.reports["test-2"]
        reconcile_account(exchange, clock.at(120))
        assert Epoch.objects.count() == 1
        assert set(Position.objects.values_list("status", flat=True)) == {"open"}
