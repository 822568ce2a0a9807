"""What limits entries beyond their own series, as it stands in the database."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from market.models import Symbol
from market.ticks import Side
from orders.models import Balance, DayResult, Order, Position
from orders.services import create_orders, read_balances, record_day_result, submit
from orders.venue.binance import BinanceExchange
from orders.venue.exchange import Busy
from tests import rows
from tests.builders import FILTERS, NOON, intent, opened, symbol
from tests.fakes import FakeExchange
from tests.servers import free_port

pytestmark = pytest.mark.django_db


def balance(free: str, read_at: datetime = NOON) -> Balance:
    return Balance.objects.create(asset="USDT", free=Decimal(free), read_at=read_at)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_the_balance_is_shared_by_what_is_wanted_at_once() -> None:
    btc = symbol()
    balance("119.99")
    wishes = [intent(btc), intent(btc, number=2, strategy="B")]
    first, second = create_orders(wishes, [btc], FakeExchange(), now=NOON)
    assert first.status == "PENDING"
    assert second.reason == "balance_too_low: 60 USDT are needed, 59.99 are free"


def test_an_entry_under_way_has_spent_its_part() -> None:
    btc = symbol()
    balance("119.99", read_at=later(10))
    opened(btc)  # asked for before the balance was read, and not filled yet
    assert opened(btc, number=2, strategy="B").reason.startswith("balance_too_low")


def test_what_was_filled_since_the_balance_was_read_counts() -> None:
    btc = symbol()
    balance("100", read_at=later(-10))
    exchange = FakeExchange(price="50000")
    submit([opened(btc).pk], exchange, lambda: NOON)
    assert opened(btc, number=2, strategy="B").reason.endswith("60 USDT are needed, 50 are free")
    submit([opened(btc, Side.SELL, number=3).pk], exchange, lambda: NOON)
    assert opened(btc, number=4, strategy="B").status == "PENDING"


def test_what_was_filled_before_the_balance_was_read_is_in_it() -> None:
    btc = symbol()
    submit([opened(btc).pk], FakeExchange(), lambda: NOON)
    balance("60", read_at=later(1))
    assert opened(btc, number=2, strategy="B").status == "PENDING"


def test_a_balance_of_long_ago_denies_nothing() -> None:
    balance("0", read_at=NOON - timedelta(minutes=6))
    assert opened(symbol()).status == "PENDING"


def test_another_asset_is_not_looked_at() -> None:
    Balance.objects.create(asset="BTC", free=Decimal(0), read_at=NOON)
    assert opened(symbol()).status == "PENDING"


def test_balances_are_read_once_in_a_while_and_a_missing_one_is_nothing() -> None:
    symbol()
    symbol("ETHBTC", base_asset="ETH", quote_asset="BTC")
    exchange = FakeExchange()
    del exchange.held["BTC"]
    read_balances(exchange, NOON)
    read_balances(FakeExchange(), later(10))
    assert set(Balance.objects.values_list("asset", "free", "read_at")) == {
        ("USDT", Decimal(10_000), NOON),
        ("BTC", Decimal(0), NOON),
    }


class TestMaxPosition:
    """The exchange's MAX_POSITION: 0.0035 BTC on the account, open BUYs included."""

    @pytest.fixture
    def btc(self) -> Symbol:
        bound = {"filterType": "MAX_POSITION", "maxPosition": "0.0035"}
        return symbol(filters=[*FILTERS, bound])

    def has(self, free: str, read_at: datetime = NOON) -> None:
        Balance.objects.create(asset="BTC", free=Decimal(free), read_at=read_at)

    def test_an_entry_that_would_exceed_it_is_denied_with_the_reason(self, btc: Symbol) -> None:
        self.has("0.0026")
        assert opened(btc).reason == (
            "filter_unmet: MAX_POSITION: 0.0036 on the account is above maxPosition 0.0035"
        )

    def test_entries_at_once_share_it(self, btc: Symbol) -> None:
        self.has("0.0016")
        wishes = [intent(btc), intent(btc, number=2, strategy="B")]
        orders = create_orders(wishes, [btc], FakeExchange(), now=NOON)
        assert [order.status for order in orders] == ["PENDING", "DENIED"]

    def test_it_counts_what_is_being_bought_and_was_since_the_balance_was_read(
        self, btc: Symbol
    ) -> None:
        self.has("0.0006", later(-10))
        submit([opened(btc).pk], FakeExchange(), lambda: NOON)
        opened(btc, number=2, strategy="B")  # under way, and in another symbol of the asset
        euro = symbol("BTCEUR", base_asset="BTC", quote_asset="EUR", filters=btc.filters)
        assert opened(euro, number=3, strategy="B").reason.startswith("filter_unmet: MAX_POSITION")
        sale = opened(btc, Side.SELL, number=4)
        submit([sale.pk], FakeExchange(), lambda: NOON)
        assert opened(euro, number=5, strategy="B").status == "PENDING"

    def test_it_counts_what_a_resting_stop_has_locked(self, btc: Symbol) -> None:
        stop = {"kind": "STOP_LOSS", "side": Side.SELL, "strategy": "B", "status": "NEW"}
        rows.order(btc, 7, **stop, executed_quantity=Decimal(0), created_at=later(-20))
        self.has("0.0016", later(-10))
        assert opened(btc).reason.startswith("filter_unmet: MAX_POSITION")

    def test_an_exit_passes(self, btc: Symbol) -> None:
        rows.position(btc)
        self.has("9")
        assert opened(btc, Side.SELL).status == "PENDING"

    def test_a_balance_that_is_not_known_denies_nothing(self, btc: Symbol) -> None:
        self.has("9", later(-301))
        assert opened(btc).status == "PENDING"

    def test_it_is_read_with_the_others(self, btc: Symbol) -> None:
        read_balances(FakeExchange(), NOON)
        assert set(Balance.objects.values_list("asset", flat=True)) == {"USDT", "BTC"}


def test_entries_of_the_last_hour_are_counted_by_strategy(settings: Settings) -> None:
    settings.MAX_ENTRIES_PER_HOUR = 2
    btc = symbol()
    for number, minutes in enumerate((61, 59, 1), start=1):
        rows.order(btc, number, created_at=NOON - timedelta(minutes=minutes))
    rows.order(btc, 4, created_at=NOON, side=Side.SELL)
    assert opened(btc, number=5).reason == (
        "too_many_entries: 2 entries of A in the last hour, MAX_ENTRIES_PER_HOUR is 2"
    )
    assert opened(btc, number=6, strategy="B").status == "PENDING"


def test_a_denied_entry_does_not_count(settings: Settings) -> None:
    settings.MAX_ENTRIES_PER_HOUR = 1
    btc = symbol()
    rows.order(btc, 1, created_at=NOON, status="DENIED")
    assert opened(btc, number=2).status == "PENDING"


def held() -> Position:
    """Bought for 60 USDT."""
    return rows.position(symbol(), opened_at=NOON)


def test_a_fall_from_the_peak_of_the_day_stops_entries_till_midnight(settings: Settings) -> None:
    settings.MAX_DAILY_LOSS = Decimal(10)
    btc = held().symbol
    for price in (70_000, 61_000, 60_000, 70_000):  # +10, +1, 0, +10
        record_day_result({"BTCUSDT": Decimal(price)}, NOON)
    eth = symbol("ETHUSDT")
    assert opened(eth).reason == (
        "loss_limit: A lost 10 USDT from the day's peak, MAX_DAILY_LOSS is 10"
    )
    assert opened(eth, number=2, strategy="B").reason.startswith("loss_limit: all strategies")
    midnight = NOON + timedelta(hours=12)
    record_day_result({"BTCUSDT": Decimal(60_000)}, midnight)
    wish = intent(eth, number=3, expires_ms=2**42)
    assert create_orders([wish], [eth, btc], FakeExchange(), now=midnight)[0].status == "PENDING"


def test_an_exit_passes_the_loss_limit(settings: Settings) -> None:
    settings.MAX_DAILY_LOSS = Decimal(1)
    btc = held().symbol
    for price in (60_000, 50_000):
        record_day_result({"BTCUSDT": Decimal(price)}, NOON)
    assert opened(btc, Side.SELL).status == "PENDING"


def test_a_loss_counts_once_realised_as_well() -> None:
    position = held()
    record_day_result({"BTCUSDT": Decimal(60_000)}, NOON)
    position.status, position.realised, position.closed_at = "closed", Decimal(-7), NOON
    position.save()
    record_day_result({}, later(1))
    assert set(DayResult.objects.values_list("strategy", "pnl", "drawdown")) == {
        ("A", Decimal(-7), Decimal(7)),
        ("", Decimal(-7), Decimal(7)),
    }


def test_a_price_that_is_not_known_is_neither_gain_nor_loss() -> None:
    held()
    record_day_result({"BTCUSDT": Decimal(50_000)}, NOON)
    record_day_result({}, later(1))  # worth its cost, it would have gained
    assert set(DayResult.objects.values_list("pnl", "at")) == {(Decimal(-10), NOON)}


def test_a_position_closed_yesterday_is_not_of_today() -> None:
    rows.position(symbol(), status="closed", realised=Decimal(5), closed_at=later(-86_400))
    record_day_result({}, NOON)
    assert not DayResult.objects.exists()


def test_a_loss_of_all_together_is_their_sum() -> None:
    btc = symbol()
    for name in "AB":
        rows.position(btc, strategy=name)
    for price in (60_000, 54_000):
        record_day_result({"BTCUSDT": Decimal(price)}, NOON)
    drawdowns = dict(DayResult.objects.values_list("strategy", "drawdown"))
    assert drawdowns == {"A": Decimal(6), "B": Decimal(6), "": Decimal(12)}


def test_the_last_price_is_held_against_the_price_of_the_signal() -> None:
    btc = symbol()
    wishes = [intent(btc), intent(btc, number=2, strategy="B")]
    for price, status in ((61_201, "DENIED"), (61_200, "PENDING")):
        Order.objects.all().delete()
        prices = {"BTCUSDT": Decimal(price)}
        found = create_orders(wishes, [btc], FakeExchange(), now=NOON, last_prices=prices)
        assert {order.status for order in found} == {status}


def test_without_the_clock_of_the_exchange_nothing_is_entered() -> None:
    away = BinanceExchange(f"http://127.0.0.1:{free_port()}", "key", "secret")
    btc = symbol()
    [first] = create_orders([intent(btc)], [btc], away, now=NOON)
    assert first.status == "PENDING"  # nobody has asked for it yet
    with pytest.raises(Busy):
        away.keep_ready()
    [second] = create_orders([intent(btc, number=2, strategy="B")], [btc], away, now=NOON)
    assert second.reason.startswith("clock_unknown")
