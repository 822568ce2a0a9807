"""One symbol, row or status that is wrong holds up no other, and somebody is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from market.models import Symbol
from market.ticks import Side
from market.wire.rows import Rows
from orders import tasks
from orders.core.status import OrderStatus
from orders.events import alarm_changed, symbol_refused
from orders.models import Alarm, AlarmKind, Epoch, Order, OrdersCheck, Position
from orders.services import (
    check_trading,
    raised_alarms,
    reconcile_account,
    resolve_order,
    resolve_unanswered,
    settle_known_statuses,
    submit,
)
from orders.venue.exchange import (
    ExecutionReport,
    ListedOrder,
    OutcomeUnknown,
    Refused,
)
from tests.builders import NOON, NOON_MS, opened, symbol
from tests.fakes import FakeExchange

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
INVALID_SYMBOL = Refused(-1121, "Invalid symbol.")


class HalfExchange(FakeExchange):
    """Fails at every question about BTCUSDT from the moment that `failure` is set."""

    failure: Exception | None = None

    def lookup(
        self, symbol: str, client_order_id: str, exchange_order_id: int | None
    ) -> ExecutionReport | None:
        self._fail(symbol)
        return super().lookup(symbol, client_order_id, exchange_order_id)

    def orders_since(self, symbol: str, start_ms: int) -> Rows[ListedOrder]:
        self._fail(symbol)
        return super().orders_since(symbol, start_ms)

    def _fail(self, symbol: str) -> None:
        if self.failure is not None and symbol == "BTCUSDT":
            raise self.failure


def at(seconds: float) -> Callable[[], datetime]:
    return lambda: NOON + timedelta(seconds=seconds)


@pytest.fixture
def exchange() -> HalfExchange:
    """A has bought BTC, long ago."""
    fake = HalfExchange()
    symbol()
    symbol("ETHUSDT")
    reconcile_account(fake, at(-60))
    submit([opened(Symbol.objects.get(name="BTCUSDT")).pk], fake, at(0))
    return fake


def checked(seconds: float) -> set[str]:
    rows = OrdersCheck.objects.filter(until=NOON + timedelta(seconds=seconds))
    return set(rows.values_list("symbol__name", flat=True))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(symbol_refused, "announce", names.extend)
    return names


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[Alarm]:
    """Alarms as they were announced."""
    alarms: list[Alarm] = []
    monkeypatch.setattr(alarm_changed, "announce", alarms.extend)
    return alarms


@pytest.mark.parametrize("failure", [INVALID_SYMBOL, OutcomeUnknown("not a list of orders")])
def test_one_symbol_that_cannot_be_asked_about_holds_up_no_other(
    exchange: HalfExchange, failure: Exception
) -> None:
    exchange.failure = failure
    # Its orders are old enough to tell a reset by, were the exchange to know the symbol.
    Order.objects.update(submitted_at=NOON - timedelta(seconds=50))
    if isinstance(failure, Refused):
        Symbol.objects.filter(name="BTCUSDT").update(status="GONE")
    reconcile_account(exchange, at(60))
    assert checked(60) == {"ETHUSDT"}


def test_one_whose_orders_cannot_be_booked_holds_up_no_other(exchange: HalfExchange) -> None:
    exchange.failure = ArithmeticError("a mistake of ours")
    btc = opened(Symbol.objects.get(name="BTCUSDT"), number=2, strategy="B")
    eth = opened(Symbol.objects.get(name="ETHUSDT"), number=3)
    exchange.failures = [OutcomeUnknown("timed out")] * 2
    submit([btc.pk, eth.pk], exchange, at(1))
    resolve_unanswered(exchange, at(5))
    statuses = dict(Order.objects.values_list("symbol__name", "status").order_by("pk"))
    assert statuses == {"BTCUSDT": "UNKNOWN", "ETHUSDT": "FILLED"}
    reconcile_account(exchange, at(30))
    assert checked(30) == {"ETHUSDT"}


def test_a_reset_is_recognised_although_a_held_symbol_is_gone(exchange: HalfExchange) -> None:
    eth = opened(Symbol.objects.get(name="ETHUSDT"), number=2, strategy="B")
    submit([eth.pk], exchange, at(1))
    Symbol.objects.filter(name="BTCUSDT").update(status="GONE")
    exchange.failure = INVALID_SYMBOL
    exchange.reports.clear()
    reconcile_account(exchange, at(120))
    assert set(Position.objects.values_list("status", flat=True)) == {"archived"}
    assert Epoch.objects.count() == 2


def test_balances_are_compared_all_the_same(exchange: HalfExchange) -> None:
    exchange.failure = INVALID_SYMBOL
    Symbol.objects.filter(name="BTCUSDT").update(status="GONE")
    exchange.held["ETH"] -= 1
    for seconds in (60, 160):
        reconcile_account(exchange, at(seconds))
    assert [alarm.symbol.name for alarm in raised_alarms()] == ["ETHUSDT"]


def test_a_refusal_has_the_symbol_asked_about_at_once(
    exchange: HalfExchange, told: list[str]
) -> None:
    exchange.failure = INVALID_SYMBOL
    reconcile_account(exchange, at(30))
    assert told == ["BTCUSDT"]
    sale = opened(Symbol.objects.get(name="ETHUSDT"), number=7)
    exchange.failures = [Refused(-2010, "Market is closed.")]
    submit([sale.pk], exchange, at(31))
    assert told == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("HALT", "a position is open, and the symbol is in HALT: nothing can be sold"),
        ("GONE", "the exchange no longer lists it: write its open position off"),
    ],
)
def test_a_held_symbol_that_is_not_trading_is_an_alarm_until_it_trades(
    exchange: HalfExchange, status: str, text: str
) -> None:
    Symbol.objects.filter(name="BTCUSDT").update(status=status)
    for second in range(3):
        check_trading(at(second)())
    [alarm] = raised_alarms()
    assert (alarm.symbol.name, alarm.kind, alarm.text) == ("BTCUSDT", "not_trading", text)
    btc = Symbol.objects.get(name="BTCUSDT")
    assert opened(btc, number=8, strategy="B").reason.startswith("symbol_not_trading")
    Symbol.objects.update(status="TRADING")
    check_trading(at(9)())
    assert raised_alarms() == []


def test_one_that_is_not_held_is_an_alarm_only_once_it_is_gone() -> None:
    symbol(status="BREAK"), symbol("ETHUSDT", status="GONE")
    check_trading(NOON)
    assert [alarm.symbol.name for alarm in raised_alarms()] == ["ETHUSDT"]


def test_held_symbols_that_are_not_trading_are_asked_about(
    exchange: HalfExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(tasks, "ask_about", asked.append)
    Symbol.objects.update(status="BREAK")
    tasks.check_trading()
    assert asked == [["BTCUSDT"]]


def test_where_rows_could_not_be_read_they_are_asked_for_again(
    exchange: HalfExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile_account(exchange, at(30))
    since: list[int] = []

    def damaged(symbol: str, start_ms: int) -> Rows[ListedOrder]:
        since.extend([start_ms] if start_ms else [])  # those that are open are asked for too
        return Rows(FakeExchange.orders_since(exchange, symbol, start_ms), left_out=1)

    with monkeypatch.context() as patched:
        patched.setattr(exchange, "orders_since", damaged)
        for seconds in (60, 90, 120):
            reconcile_account(exchange, at(seconds))
    assert set(since) == {NOON_MS + (30 - 120) * 1000}
    reconcile_account(exchange, at(150))
    assert checked(150) == {"BTCUSDT", "ETHUSDT"}


def test_a_row_that_could_not_be_read_may_be_the_order_that_a_reset_would_have_erased(
    exchange: HalfExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.reports.clear()
    exchange.failure = None
    monkeypatch.setattr(exchange, "orders_since", lambda *_: Rows([], left_out=1))
    reconcile_account(exchange, at(120))
    assert Position.objects.get().status == "open"
    monkeypatch.setattr(exchange, "orders_since", lambda *_: Rows([]))
    reconcile_account(exchange, at(180))
    assert Position.objects.get().status == "archived"


class TestDelisted:
    """An order whose symbol is gone before anybody knew what became of it."""

    @pytest.fixture
    def order(self, exchange: HalfExchange) -> Order:
        buy = opened(Symbol.objects.get(name="BTCUSDT"), number=2, strategy="B")
        exchange.failures = [OutcomeUnknown("timed out")]
        submit([buy.pk], exchange, at(1))
        Symbol.objects.filter(name="BTCUSDT").update(status="GONE")
        exchange.failure = INVALID_SYMBOL
        return buy

    def ask(self, exchange: HalfExchange, order: Order, *seconds: int) -> str:
        for second in seconds:
            resolve_order(order.pk, exchange, at(second))
        order.refresh_from_db()
        return order.status

    def test_it_ends_with_the_reason_once_it_was_refused_for_an_hour(
        self, exchange: HalfExchange, order: Order
    ) -> None:
        assert self.ask(exchange, order, 10, 1000, 3609) == "UNKNOWN"
        assert self.ask(exchange, order, 3610) == "EXPIRED_UNSENT"
        assert order.reason == (
            "the exchange no longer lists the symbol, and refuses to say what became of the order,"
            " since 2026-01-02 12:00:10 UTC (-1121 Invalid symbol.)"
        )

    def test_one_that_the_exchange_had_is_no_unsent_one(
        self, exchange: HalfExchange, order: Order
    ) -> None:
        Order.objects.filter(pk=order.pk).update(status="PARTIALLY_FILLED", exchange_order_id=5)
        assert self.ask(exchange, order, 10, 3610) == "EXPIRED"

    def test_what_still_trades_is_never_given_up(
        self, exchange: HalfExchange, order: Order
    ) -> None:
        Symbol.objects.update(status="BREAK")
        assert self.ask(exchange, order, 10, 3610, 36000) == "UNKNOWN"

    def test_where_the_symbol_comes_back_its_fills_are_booked_all_the_same(
        self, exchange: HalfExchange, order: Order
    ) -> None:
        assert self.ask(exchange, order, 10, 3610) == "EXPIRED_UNSENT"
        Symbol.objects.update(status="TRADING")
        exchange.failure = None
        reconcile_account(exchange, at(4000))
        assert self.ask(exchange, order) == "FILLED"
        assert Position.objects.get(strategy="B").quantity == order.quantity


class TestUnknownStatus:
    """An order of ours in a status that the exchange has not had before."""

    @pytest.fixture
    def order(self, exchange: HalfExchange) -> Order:
        sale = opened(Symbol.objects.get(name="BTCUSDT"), Side.SELL, number=2)
        exchange.failures = [OutcomeUnknown("timed out")]
        submit([sale.pk], exchange, at(1))
        self.become(exchange, sale, OrderStatus.UNKNOWN)
        return sale

    def become(self, exchange: HalfExchange, order: Order, status: OrderStatus) -> None:
        whole = exchange.reports[order.client_order_id]
        reason = "the exchange says 'PENDING_MOON'"
        exchange.reports[order.client_order_id] = replace(whole, status=status, reason=reason)

    def test_its_fills_are_booked_it_is_an_alarm_and_it_is_asked_for_again(
        self, exchange: HalfExchange, order: Order
    ) -> None:
        resolve_order(order.pk, exchange, at(5))
        order.refresh_from_db()
        assert (order.status, order.trades.count()) == ("UNKNOWN", 1)
        assert list(Order.objects.unanswered(at(5)())) == [order]
        [alarm] = raised_alarms()
        assert alarm.kind == AlarmKind.ORDER_STATUS
        assert "PENDING_MOON" in alarm.text
        settle_known_statuses(at(6)())
        assert len(raised_alarms()) == 1

    def test_two_of_them_are_one_alarm(
        self, exchange: HalfExchange, order: Order, raised: list[Alarm]
    ) -> None:
        other = opened(Symbol.objects.get(name="BTCUSDT"), number=3, strategy="B")
        submit([other.pk], exchange, at(2))
        self.become(exchange, other, OrderStatus.UNKNOWN)
        Order.objects.filter(pk=other.pk).update(status=OrderStatus.UNKNOWN, ended_at=None)
        for seconds in (5, 7, 9):
            for one in (order, other):
                resolve_order(one.pk, exchange, at(seconds))
        assert len(raised_alarms()) == len(raised) == 1

    def test_once_it_is_known_the_alarm_is_over(self, exchange: HalfExchange, order: Order) -> None:
        resolve_order(order.pk, exchange, at(5))
        self.become(exchange, order, OrderStatus.FILLED)
        resolve_order(order.pk, exchange, at(7))
        settle_known_statuses(at(8)())
        order.refresh_from_db()
        assert (order.status, raised_alarms()) == ("FILLED", [])
        assert Position.objects.get().quantity == Decimal(0)

    def test_it_is_never_sent_again(self, exchange: HalfExchange, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(status=OrderStatus.PENDING)
        reconcile_account(exchange, at(60))
        order.refresh_from_db()
        assert order.status != OrderStatus.PENDING
