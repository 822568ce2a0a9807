"""Nothing lost, nothing doubled, against a venue where everything goes wrong."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from foundation.times import to_ms
from market.models import Symbol
from market.ratelimit.limiter import shared_limiter
from orders.core.status import ENDED
from orders.models import Alarm, Epoch, Order, Position
from orders.services import create_orders, raised_alarms, reconcile_account, resolve_order, submit
from orders.venue.binance import BinanceExchange
from tests.builders import intent, symbol
from tests.environment import var_dir
from tests.fakes import FakeExchange
from tests.servers import Sandbox, eventually

pytestmark = pytest.mark.django_db

FAULTS: list[tuple[str, dict[str, object]]] = [
    ("order_error", {"executed": True}),
    ("order_error", {"executed": False}),
    ("order_error", {"executed": True, "status": 400, "code": -1006}),
    ("order_html", {"executed": True}),
    ("order_half", {"executed": True}),
    ("order_reset", {"executed": True}),
    ("order_reset", {"executed": False}),
    ("order_reset", {"executed": True, "held_ms": 800}),
    ("held_order", {"ms": 800}),
    ("delayed_execution", {"ms": 800}),
    ("slow_fills", {"fills_over_ms": 800}),
    ("read_lag", {"seconds": 1, "ms": 1500}),
    ("reject", {}),
]
FAULTS_LAST_S = 1.2


@pytest.fixture(scope="module")
def venue() -> Iterator[Sandbox]:
    """A sandbox of this module's own: its account is reset here."""
    server = Sandbox(var_dir, "--symbols", "BTCUSDT", "--seed", "3", "--rate", "5")
    yield server
    server.stop()


@pytest.fixture
def account(venue: Sandbox) -> Iterator[BinanceExchange]:
    key, secret = settings.SANDBOX_API_KEY, settings.SANDBOX_API_SECRET
    exchange = BinanceExchange(venue.rest_url, key, secret)
    # All of these within one minute take more than the background's half of the weight.
    shared_limiter(venue.rest_url).set_weight_limit(12_000)
    symbol()
    reconcile_account(exchange)
    yield exchange
    venue.calm()


def order(**fields: Any) -> Order:
    """A BUY of one strategy, written down now."""
    now = timezone.now()
    name, until_ms = f"v-{to_ms(now)}", to_ms(now) + 60_000
    wish = intent(Symbol.objects.get(), client_order_id=name, expires_ms=until_ms, **fields)
    return create_orders([wish], Symbol.objects.all(), FakeExchange(), now=now)[0]


def later(seconds: float) -> Callable[[], datetime]:
    return lambda: timezone.now() + timedelta(seconds=seconds)


def orders_of(venue: Sandbox) -> list[dict[str, Any]]:
    return list(venue.ledger()["orders"])


def fills_of(venue: Sandbox, one: Order) -> set[int]:
    """What really happened: the trades of the order in the venue's ledger."""
    named = [e for e in orders_of(venue) if e["clientOrderId"] == one.client_order_id]
    assert len(named) <= 1
    return {fill["id"] for entry in named for fill in entry["fills"]}


@pytest.mark.parametrize(("fault", "parameters"), FAULTS, ids=str)
def test_an_order_ends_as_the_ledger_says(
    venue: Sandbox, account: BinanceExchange, fault: str, parameters: dict[str, object]
) -> None:
    one = order()
    venue.inject(fault, **parameters)
    submit([one.pk], account)
    resolve_order(one.pk, account)
    time.sleep(FAULTS_LAST_S)
    assert eventually(lambda: all(entry["status"] in ENDED for entry in orders_of(venue)))
    for seconds in (3, 25):
        resolve_order(one.pk, account, later(seconds))
    one.refresh_from_db()
    assert one.status in ENDED
    assert set(one.trades.values_list("trade_id", flat=True)) == fills_of(venue, one)
    for minute in range(1, 4):
        reconcile_account(account, later(60 * minute))
    assert raised_alarms() == []


def test_a_reset_sells_nothing_and_trading_goes_on(
    venue: Sandbox, account: BinanceExchange
) -> None:
    before = order()
    submit([before.pk], account)
    venue.inject("reset")
    reconcile_account(account, later(120))
    position = Position.objects.get()
    assert (position.status, position.realised) == ("archived", Decimal(0))
    assert Epoch.objects.count() == 2
    after = order()
    submit([after.pk], account)
    reconcile_account(account, later(180))
    held = Position.objects.get(status="open")
    assert {trade.order for trade in held.trades.all()} == {after}
    assert not Alarm.objects.exists()


def test_a_deposit_that_nothing_explains_raises_an_alarm(
    venue: Sandbox, account: BinanceExchange
) -> None:
    submit([order().pk], account)
    venue.inject("transfer", asset="BTC", amount="2")
    for minute in (1, 3):
        reconcile_account(account, later(60 * minute))
    assert [alarm.symbol.name for alarm in raised_alarms()] == ["BTCUSDT"]
    assert order(strategy="B").reason.startswith("unreconciled")
