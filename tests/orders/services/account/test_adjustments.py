"""Base asset that leaves positions without a trade of theirs: fees in it, and what is given up."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from foundation.times import to_ms
from market.models import Symbol
from market.ticks import Side
from orders.core.performance import pnl
from orders.core.status import OrderStatus
from orders.models import Adjustment, Order, Position, Trade
from orders.services import (
    NotWrittenOff,
    accept_alarm,
    charge_positions,
    position_results,
    raised_alarms,
    reconcile_account,
    submit,
    write_off,
)
from orders.venue.exchange import OrderRequest
from tests.builders import NOON, NOON_MS, opened, symbol
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db
PRICE = Decimal(60_000)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def bnb() -> Symbol:
    return symbol("BNBUSDT", order_quantity=Decimal("0.001"))


@pytest.fixture
def exchange(bnb: Symbol) -> FakeExchange:
    """An account with very little BNB, of which A has bought more; each fill costs some."""
    fake = FakeExchange(fee="0.0002", fee_asset="BNB")
    fake.held["BNB"] = Decimal("0.0003")
    symbol()
    reconcile_account(fake, lambda: at(-60))
    trade(fake, bnb, Side.BUY, 0)
    return fake


def trade(exchange: FakeExchange, of: Symbol, side: Side, seconds: float, name: str = "A") -> Order:
    number = to_ms(at(seconds))
    order = opened(of, side, number, strategy=name, expires_ms=NOON_MS + 10**6)
    submit([order.pk], exchange, lambda: at(seconds))
    charge_positions(list(order.trades.select_related("symbol")), at(seconds))
    return order


def held_by_positions() -> Decimal:
    positions = Position.objects.filter(symbol__base_asset="BNB")
    return sum(positions.values_list("quantity", flat=True), Decimal(0))


def buy_and_sell_btc(exchange: FakeExchange, times: int) -> None:
    btc = Symbol.objects.get(name="BTCUSDT")
    for number in range(times):
        trade(exchange, btc, (Side.BUY, Side.SELL)[number % 2], 10 + number, "B")
        assert held_by_positions() <= exchange.held["BNB"]


class TestFees:
    def test_the_accounts_own_stock_pays_first(self, exchange: FakeExchange) -> None:
        buy_and_sell_btc(exchange, 1)
        assert not Adjustment.objects.exists()

    def test_beyond_it_positions_pay_and_never_hold_more_than_there_is(
        self, exchange: FakeExchange
    ) -> None:
        buy_and_sell_btc(exchange, 4)
        assert held_by_positions() == exchange.held["BNB"]
        assert sum(Adjustment.objects.values_list("quantity", flat=True)) == Decimal("0.0005")
        for minute in range(1, 5):
            reconcile_account(exchange, lambda minute=minute: at(60 * minute))
        assert raised_alarms() == []

    def test_what_is_left_can_be_sold(self, exchange: FakeExchange, bnb: Symbol) -> None:
        buy_and_sell_btc(exchange, 4)
        exchange.fee_asset = None
        assert trade(exchange, bnb, Side.SELL, 100).status == OrderStatus.PENDING
        assert Order.objects.latest("pk").status == OrderStatus.FILLED
        assert Position.objects.get(symbol=bnb).status == "closed"

    def test_twice_is_once(self, exchange: FakeExchange) -> None:
        buy_and_sell_btc(exchange, 4)
        for _ in range(3):
            charge_positions(list(Trade.objects.select_related("symbol")), at(50))
        assert sum(Adjustment.objects.values_list("quantity", flat=True)) == Decimal("0.0005")

    def test_one_that_was_missed_is_made_up_for_by_reconciling(
        self, exchange: FakeExchange
    ) -> None:
        btc = Symbol.objects.get(name="BTCUSDT")
        for number, side in enumerate((Side.BUY, Side.SELL, Side.BUY)):
            submit([opened(btc, side, number, strategy="B").pk], exchange, lambda: at(20))
        reconcile_account(exchange, lambda: at(60))
        assert held_by_positions() == exchange.held["BNB"]

    def test_p_and_l_is_what_the_account_has_gained(self, exchange: FakeExchange) -> None:
        before = Decimal(1_000_000) + Decimal("0.0003") * PRICE
        buy_and_sell_btc(exchange, 4)
        for price in (PRICE, PRICE * 2):
            after = exchange.held["USDT"] + exchange.held["BNB"] * price
            gained = after - before - Decimal("0.0003") * (price - PRICE)
            results = position_results({"BTCUSDT": price, "BNBUSDT": price})
            assert pnl([one for own in results.values() for one in own]) == gained

    def test_it_says_which_trade_it_was(self, exchange: FakeExchange) -> None:
        buy_and_sell_btc(exchange, 2)
        adjustment = Adjustment.objects.latest("pk")
        assert adjustment.kind == "fee"
        assert adjustment.reason.startswith("fee of SELL BTCUSDT of B, trade ")
        position = Position.objects.get(symbol__name="BNBUSDT")
        assert position.realised == -adjustment.cost - sum(
            Adjustment.objects.exclude(pk=adjustment.pk).values_list("cost", flat=True)
        )

    def test_what_others_sold_of_it_leaves_positions_too(self, exchange: FakeExchange) -> None:
        sold = OrderRequest("BNBUSDT", Side.SELL, Decimal("0.0008"), "theirs", NOON_MS + 1000)
        exchange.place(sold)
        for minute in range(1, 5):
            reconcile_account(exchange, lambda minute=minute: at(60 * minute))
        assert held_by_positions() <= exchange.held["BNB"]
        assert raised_alarms() == []
        assert Adjustment.objects.filter(kind="foreign").exists()


class TestWriteOff:
    @pytest.fixture
    def staff(self) -> User:
        return User.objects.create_user("staff", is_staff=True)

    @pytest.fixture
    def position(self, exchange: FakeExchange) -> Position:
        return Position.objects.get()

    def test_a_delisted_position_is_given_up_with_a_reason(
        self, exchange: FakeExchange, position: Position, staff: User
    ) -> None:
        held = position.quantity
        Symbol.objects.filter(name="BNBUSDT").update(status="GONE")
        write_off(position.pk, None, "delisted", staff, at(30))
        position.refresh_from_db()
        assert (position.status, position.quantity) == ("closed", Decimal(0))
        assert position.realised == -60
        adjustment = Adjustment.objects.get(kind="write_off")
        assert (adjustment.by, adjustment.reason, adjustment.quantity) == (staff, "delisted", held)

    def test_what_the_account_still_has_of_it_raises_no_alarm(
        self, exchange: FakeExchange, position: Position, staff: User
    ) -> None:
        write_off(position.pk, None, "not ours any more", staff, at(30))
        for minute in range(1, 5):
            reconcile_account(exchange, lambda minute=minute: at(60 * minute))
        assert raised_alarms() == []

    def test_what_is_missing_can_be_written_off_alone(
        self, exchange: FakeExchange, position: Position, staff: User
    ) -> None:
        exchange.held["BNB"] -= Decimal("0.0006")
        for seconds in (60, 160):
            reconcile_account(exchange, lambda seconds=seconds: at(seconds))
        assert len(raised_alarms()) == 1
        write_off(position.pk, Decimal("0.0006"), "withdrawn", staff, at(170))
        reconcile_account(exchange, lambda: at(180))
        assert raised_alarms() == []
        position.refresh_from_db()
        assert (position.status, position.quantity) == ("open", Decimal("0.0002"))

    def test_what_is_missing_is_missing_once(
        self, exchange: FakeExchange, position: Position, staff: User
    ) -> None:
        exchange.held["BNB"] -= Decimal("0.0002")
        for seconds in (60, 160):
            reconcile_account(exchange, lambda seconds=seconds: at(seconds))
        [alarm] = raised_alarms()
        for _ in range(2):
            write_off(position.pk, Decimal("0.0002"), "withdrawn", staff, at(170))
        assert accept_alarm(alarm.pk, Decimal("-0.0002"), staff, at(171)) == []
        for seconds in (180, 280):
            reconcile_account(exchange, lambda seconds=seconds: at(seconds))
        assert raised_alarms() == []
        kept = Adjustment.objects.filter(kind="write_off").order_by("pk")
        assert list(kept.values_list("kept", flat=True)) == [0, Decimal("0.0002")]

    def test_orders_of_a_symbol_that_is_gone_end_with_it(
        self, position: Position, staff: User
    ) -> None:
        sale = opened(position.symbol, Side.SELL, number=9)
        with pytest.raises(NotWrittenOff, match="under way"):
            write_off(position.pk, None, "delisted", staff, at(30))
        Symbol.objects.filter(name="BNBUSDT").update(status="GONE")
        write_off(position.pk, None, "delisted", staff, at(30))
        sale.refresh_from_db()
        assert sale.status == OrderStatus.EXPIRED

    @pytest.mark.parametrize("quantity", ["0", "-1", "0.0011"])
    def test_no_more_than_there_is(self, position: Position, staff: User, quantity: str) -> None:
        with pytest.raises(NotWrittenOff, match="is not above 0 and at most"):
            write_off(position.pk, Decimal(quantity), "", staff, at(30))

    def test_only_what_is_open(self, position: Position, staff: User) -> None:
        write_off(position.pk, None, "once", staff, at(30))
        with pytest.raises(NotWrittenOff, match="is not open"):
            write_off(position.pk, None, "twice", staff, at(30))
