"""Exits at a real venue: thin books, suspension, delisting, and fees that eat what is held."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.utils import timezone

from foundation.times import to_ms
from market.models import Symbol
from market.ratelimit.limiter import shared_limiter
from market.rest import MarketRest
from market.services import follow, refresh_symbols
from market.ticks import Side
from orders.core.status import OrderStatus
from orders.models import Adjustment, Order, OrdersCheck, Position
from orders.services import (
    charge_positions,
    check_trading,
    create_orders,
    raised_alarms,
    reconcile_account,
    send_orders,
    set_halt,
    write_off,
)
from orders.venue.binance import BinanceExchange
from strategies.services import finish_exits
from tests.builders import intent, strategy
from tests.environment import var_dir
from tests.fakes import FakeExchange
from tests.servers import Sandbox, eventually

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
OPTIONS = ("--symbols", "BTCUSDT,BNBUSDT", "--seed", "5", "--rate", "5")
FEES = ("--fee-asset", "BNB", "--fee", "0.01")
LEFT = Decimal("0.0005")  # BNB that the account has beside positions


@pytest.fixture(scope="module")
def venue() -> Iterator[Sandbox]:
    server = Sandbox(var_dir, *OPTIONS, *FEES)
    yield server
    server.stop()


@pytest.fixture
def account(venue: Sandbox) -> Iterator[BinanceExchange]:
    """An account that was just granted, with next to no BNB; strategies A and B hold nothing."""
    venue.inject("reset")
    granted = Decimal(venue.ledger()["initial_balances"]["BNB"])
    venue.inject("transfer", asset="BNB", amount=str(LEFT - granted))
    shared_limiter(venue.rest_url).set_weight_limit(60_000)
    key, secret = django_settings.SANDBOX_API_KEY, django_settings.SANDBOX_API_SECRET
    exchange = BinanceExchange(venue.rest_url, key, secret)
    for name in ("BTCUSDT", "BNBUSDT"):
        follow(name, MarketRest(venue.rest_url))
    strategy("A"), strategy("B")
    reconcile_account(exchange)
    yield exchange
    venue.calm()


def traded(account: BinanceExchange, name: str, side: Side, **fields: Any) -> Order:
    """An order that was written down now, and what became of it."""
    now, symbol = timezone.now(), Symbol.objects.get(name=name)
    until_ms, client_order_id = to_ms(now) + 60_000, f"x-{name[:3]}-{to_ms(now)}"
    price = Decimal(60_000) if name == "BTCUSDT" else Decimal(550)
    fields = {"price": price, "stop_loss": None, **fields}
    asked = intent(symbol, side, client_order_id=client_order_id, expires_ms=until_ms, **fields)
    [order] = create_orders([asked], [symbol], FakeExchange(), now=now)
    send_orders([order.pk], account)
    order.refresh_from_db()
    charge_positions(list(order.trades.select_related("symbol")), now)
    return order


def sweep(account: BinanceExchange, at: datetime | None = None) -> None:
    finish_exits(at or timezone.now(), account)
    send_orders(Order.objects.unsent().ids(), account)


def is_sold(account: BinanceExchange) -> bool:
    sweep(account, timezone.now() + timedelta(minutes=5))
    return not Position.objects.open().exists()


def learn(venue: Sandbox, name: str = "BTCUSDT") -> str:
    """Have the exchange asked about a symbol, as after a refusal; the status it is in."""
    refresh_symbols([name], MarketRest(venue.rest_url))
    check_trading(timezone.now())
    return Symbol.objects.get(name=name).status


def balance(venue: Sandbox, asset: str) -> Decimal:
    there = venue.ledger()["balances"][asset]
    return Decimal(there["free"]) + Decimal(there["locked"])


def held(asset: str) -> Decimal:
    positions = Position.objects.unarchived().filter(symbol__base_asset=asset)
    return sum(positions.values_list("quantity", flat=True), Decimal(0))


def test_a_crossover_into_a_thin_book_is_sold_to_the_end(
    venue: Sandbox, account: BinanceExchange
) -> None:
    traded(account, "BTCUSDT", Side.BUY)
    venue.inject("thin_book", count=3, share=0.3)
    assert traded(account, "BTCUSDT", Side.SELL).status == OrderStatus.EXPIRED
    assert eventually(lambda: is_sold(account))
    assert held("BTC") < Decimal("0.00001")


@pytest.mark.parametrize("status", ["BREAK", "HALT", "CANCEL_ONLY"])
def test_an_exit_waits_for_a_suspended_symbol_and_goes_as_soon_as_it_trades(
    venue: Sandbox, account: BinanceExchange, status: str
) -> None:
    traded(account, "BTCUSDT", Side.BUY)
    venue.inject("suspension", symbol="BTCUSDT", status=status)
    refused = traded(account, "BTCUSDT", Side.SELL)
    assert (refused.status, refused.reason) == ("REJECTED", "-2010 Market is closed.")
    assert learn(venue) == status
    assert [alarm.kind for alarm in raised_alarms()] == ["not_trading"]
    assert traded(account, "BTCUSDT", Side.BUY, strategy="B").reason.startswith("symbol_not")
    assert not is_sold(account)
    assert Order.objects.sales().count() == 1
    venue.calm()
    assert learn(venue) == "TRADING"
    assert eventually(lambda: is_sold(account))
    assert raised_alarms() == []


def test_fees_in_bnb_that_eat_a_bnb_position_leave_it_and_the_rest_is_sold(
    venue: Sandbox, account: BinanceExchange
) -> None:
    traded(account, "BNBUSDT", Side.BUY)
    for number in range(8):
        traded(account, "BTCUSDT", (Side.BUY, Side.SELL)[number % 2], strategy="B")
        assert held("BNB") <= balance(venue, "BNB")
    assert Adjustment.objects.filter(kind="fee").exists()
    reconcile_account(account)
    set_halt("flatten", None, "", timezone.now())
    assert eventually(lambda: is_sold(account))
    assert held("BNB") <= balance(venue, "BNB") < Decimal("0.02")
    reconcile_account(account)
    assert raised_alarms() == []


def test_a_delisted_symbol_holds_up_no_other_and_its_position_is_written_off(
    venue: Sandbox, account: BinanceExchange
) -> None:
    traded(account, "BTCUSDT", Side.BUY)
    traded(account, "BNBUSDT", Side.BUY)
    venue.inject("delisting", symbol="BTCUSDT")
    Order.objects.update(submitted_at=timezone.now() - timedelta(seconds=1))
    before = timezone.now()
    reconcile_account(account, lambda: timezone.now() + timedelta(minutes=2))
    checked = OrdersCheck.objects.filter(until__gt=before)
    assert list(checked.values_list("symbol__name", flat=True)) == ["BNBUSDT"]
    assert learn(venue) == "GONE"
    [alarm] = raised_alarms()
    assert alarm.text.endswith("write its open position off")
    position = Position.objects.get(symbol__name="BTCUSDT")
    staff = User.objects.create_user("staff", is_staff=True)
    write_off(position.pk, None, "delisted", staff, timezone.now())
    for minutes in (3, 6):
        later = timezone.now() + timedelta(minutes=minutes)
        reconcile_account(account, lambda later=later: later)
    assert [alarm.kind for alarm in raised_alarms()] == ["not_trading"]
