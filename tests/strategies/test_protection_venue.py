"""Protective stops at a real venue, held against its ledger: what was bought is sold once."""

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django import Settings

from foundation.times import to_ms
from market.models import Symbol
from market.ratelimit.limiter import shared_limiter
from market.ticks import Side
from orders.core.stops import Hit, Stop
from orders.models import Alarm, Order, Position
from orders.services import (
    ANSWER_DUE,
    cancel_misfit_stops,
    create_orders,
    reconcile_account,
    resolve_order,
    send_orders,
)
from orders.venue.binance import BinanceExchange
from sandbox.clock import MINUTE_MS
from sandbox.config import SandboxConfig
from strategies.services import finish_exits, open_protective_stops, stop_out
from tests.builders import intent, strategy, symbol
from tests.environment import var_dir
from tests.fakes import FakeExchange
from tests.sandbox.venue import Venue, paused_clock, running, wall_ms
from tests.servers import Sandbox, eventually

pytestmark = pytest.mark.django_db
LOSS = Decimal("0.01")  # of 60,000: the stop is at 59,400
PHASE_MS = 10_000
LOT = Decimal("0.00001")  # the smallest step of a quantity
LOST_CANCELS: list[dict[str, object]] = [
    {"fault": "order_error", "executed": True},
    {"fault": "order_error", "executed": False},
    {"fault": "order_reset", "executed": True, "held_ms": 600},
    {"fault": "order_half", "executed": True},
    {"fault": "order_html", "executed": False},
    {"fault": "reject", "code": -2011, "msg": "Unknown order sent."},
]


@pytest.fixture(scope="module")
def venue() -> Iterator[Sandbox]:
    server = Sandbox(var_dir, "--symbols", "BTCUSDT", "--seed", "5", "--rate", "5")
    yield server
    server.stop()


@pytest.fixture
def account(venue: Sandbox, settings: Settings) -> Iterator[BinanceExchange]:
    """An account that was just granted, and strategy A that holds nothing."""
    venue.inject("reset")
    yield begun(venue.rest_url, settings)
    venue.calm()


@pytest.fixture
def cliffs(tmp_path: Path) -> Iterator[Venue]:
    """A venue whose price is 60,000 and, each time its clock is moved by PHASE_MS, falls to
    59,000 or comes back; by itself the clock stands still."""
    file, start_ms = tmp_path / "BTCUSDT-trades.csv", 1_700_000_040_000
    rows = [
        f"{n + 1},{60_000 - n // 10 % 2 * 1000},1,0,{start_ms + n * PHASE_MS // 10},False,True"
        for n in range(500)
    ]
    file.write_text("\n".join(rows) + "\n")
    clock = paused_clock((wall_ms() // MINUTE_MS + 1) * MINUTE_MS - 1)
    with running(SandboxConfig([], replay=(file,)), clock) as venue:
        venue.exchange.market("BTCUSDT")
        venue.shift_ms += PHASE_MS // 2
        yield venue


def move_on(venue: Venue) -> None:
    """The price falls, or comes back."""
    venue.shift_ms += PHASE_MS


def begun(url: str, settings: Settings) -> BinanceExchange:
    settings.PROTECTIVE_STOPS = True
    exchange = BinanceExchange(
        url, django_settings.SANDBOX_API_KEY, django_settings.SANDBOX_API_SECRET
    )
    shared_limiter(url).set_weight_limit(60_000)
    symbol()
    strategy()
    reconcile_account(exchange)
    return exchange


def wish(side: Side, **fields: Any) -> Order:
    """An order of strategy A, written down now and claimed where it may be sent at once."""
    now, btc = timezone.now(), Symbol.objects.get()
    until_ms = to_ms(now) + 60_000
    asked = intent(btc, side, client_order_id=f"p-{to_ms(now)}", expires_ms=until_ms, **fields)
    return create_orders([asked], [btc], FakeExchange(), now=now)[0]


def bought(account: BinanceExchange) -> Position:
    """A position with its stop at the venue."""
    send_orders([wish(Side.BUY, stop_loss=LOSS).pk], account)
    sweep(account)
    return Position.objects.get(status="open")


def sweep(account: BinanceExchange) -> None:
    """What the timetable does every second or two."""
    finish_exits(timezone.now(), account)
    open_protective_stops(timezone.now())
    cancel_misfit_stops(account)
    send_orders(Order.objects.unsent().ids(), account)
    for order_id in Order.objects.unanswered(timezone.now() - ANSWER_DUE).ids():
        resolve_order(order_id, account)


def tick_stop(account: BinanceExchange, position: Position) -> None:
    """A tick hits the stop."""
    assert position.stop_price is not None
    stop = Stop(position.pk, "BTCUSDT", position.stop_price, 0)
    [signal] = stop_out([Hit(stop, position.stop_price, 0, 1)], timezone.now(), account)
    assert signal.order is not None
    send_orders([signal.order.pk], account)


def is_sold(account: BinanceExchange) -> bool:
    sweep(account)
    return not Position.objects.filter(status="open").exists()


def statuses(venue: Sandbox | Venue) -> list[str]:
    return [order["status"] for order in venue.ledger()["orders"]]


def gained(venue: Sandbox | Venue) -> Decimal:
    """What the account has of the base asset beyond what it was granted; below 0, sold twice."""
    theirs = venue.ledger()
    now, granted = theirs["balances"]["BTC"], Decimal(theirs["initial_balances"]["BTC"])
    return Decimal(now["free"]) + Decimal(now["locked"]) - granted


def assert_sold_once(venue: Sandbox | Venue, account: BinanceExchange) -> None:
    """All but dust is sold, nothing rests, and the account agrees with our books."""
    assert eventually(lambda: is_sold(account))
    sweep(account)
    assert 0 <= gained(venue) < LOT
    assert "NEW" not in statuses(venue)
    reconcile_account(account)
    assert not Alarm.objects.exists()


def test_what_is_bought_is_guarded_at_the_venue(venue: Sandbox, account: BinanceExchange) -> None:
    position = bought(account)
    [resting] = [order for order in venue.ledger()["orders"] if order["status"] == "NEW"]
    assert resting["origClientOrderId"] == Order.objects.get(kind="STOP_LOSS").client_order_id
    [listed] = account.open_orders("BTCUSDT")
    assert 0 <= position.quantity - listed.quantity < LOT


def test_a_sale_takes_it_back_first(venue: Sandbox, account: BinanceExchange) -> None:
    bought(account)
    send_orders([wish(Side.SELL).pk], account)
    assert statuses(venue) == ["FILLED", "CANCELED", "FILLED"]
    assert_sold_once(venue, account)


def test_the_venue_and_our_tick_sell_at_the_same_time(cliffs: Venue, settings: Settings) -> None:
    account = begun(cliffs.url, settings)
    for within_ms in range(0, 20, 2):
        position = bought(account)
        falls = threading.Timer(within_ms / 1000, move_on, [cliffs])
        falls.start()
        tick_stop(account, position)
        falls.join()
        assert eventually(lambda: is_sold(account))
        move_on(cliffs)
    assert_sold_once(cliffs, account)


@pytest.mark.parametrize("fault", LOST_CANCELS, ids=str)
def test_a_cancel_without_an_answer_sells_once(
    venue: Sandbox, account: BinanceExchange, fault: dict[str, object]
) -> None:
    position = bought(account)
    venue.inject(**{"of": "cancel", **fault})  # type: ignore[arg-type]
    tick_stop(account, position)
    assert_sold_once(venue, account)


def test_a_placement_without_an_answer_sells_once(venue: Sandbox, account: BinanceExchange) -> None:
    send_orders([wish(Side.BUY, stop_loss=LOSS).pk], account)
    venue.inject("order_reset", executed=True, held_ms=600)
    venue.inject("read_lag", seconds=2, ms=1500)
    sweep(account)
    tick_stop(account, Position.objects.get())
    assert_sold_once(venue, account)


def test_what_rests_is_taken_back_once_switched_off(
    venue: Sandbox, account: BinanceExchange, settings: Settings
) -> None:
    bought(account)
    settings.PROTECTIVE_STOPS = False
    sweep(account)
    sweep(account)
    assert statuses(venue) == ["FILLED", "CANCELED"]


def test_what_the_venue_sold_while_we_were_away_is_booked(
    cliffs: Venue, settings: Settings
) -> None:
    account = begun(cliffs.url, settings)
    position = bought(account)
    move_on(cliffs)
    reconcile_account(account)
    position.refresh_from_db()
    assert position.status == "closed"
    assert_sold_once(cliffs, account)
