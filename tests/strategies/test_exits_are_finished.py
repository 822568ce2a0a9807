"""What is decided to be sold is sold: at today's price, until nothing is left that can be."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from market.models import Symbol
from market.ticks import Side
from orders.core.status import OrderStatus
from orders.core.stops import Hit, Stop
from orders.models import Order, Position
from orders.services import record, revoke_halt_exits, set_halt, submit
from orders.venue.exchange import Busy, OutcomeUnknown, Refused
from strategies.models import Signal
from strategies.services import CandleClose, evaluate, exits, finish_exits, flatten, stop_out
from tests.builders import FILTERS, NOON, candle, opened, strategy, symbol
from tests.fakes import FakeExchange

# What is left is held against the last price, which tests before may have left in Redis.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
LATER = NOON + timedelta(seconds=10)
HELD = Decimal("0.001")
REFUSED = Refused(-2010, "Market is closed.")


def cross(position: Position, exchange: FakeExchange, at: datetime = NOON) -> Order:
    """The averages cross, and the position is to be sold."""
    sale = opened(position.symbol, Side.SELL, number=2)
    submit([sale.pk], exchange, lambda: at)
    sale.refresh_from_db()
    return sale


def sweep(exchange: FakeExchange, at: datetime) -> list[str]:
    """Outcomes of what the sweep of one second tries."""
    signals = finish_exits(at, exchange)
    submit(Order.objects.unsent().ids(), exchange, lambda: at)
    return [signal.outcome for signal in signals]


def sweep_until(exchange: FakeExchange, seconds: int) -> None:
    for second in range(seconds):
        sweep(exchange, LATER + timedelta(seconds=second))


def assert_sold(position: Position, exchange: FakeExchange) -> None:
    position.refresh_from_db()
    assert (position.status, position.quantity) == ("closed", Decimal(0))
    assert exchange.held["BTC"] == 10


@pytest.mark.parametrize("failure", [REFUSED, Busy(90, "limits")], ids=["rejected", "stale"])
def test_a_crossover_that_failed_is_tried_again(
    position: Position, exchange: FakeExchange, failure: Exception
) -> None:
    exchange.failures = [failure]
    cross(position, exchange)
    at = LATER + timedelta(minutes=6)
    assert sweep(exchange, at) in (["ordered"], [])  # what grew stale has to end first
    sweep(exchange, at + timedelta(seconds=5))
    assert_sold(position, exchange)
    assert Signal.objects.get(position=position).reason == "crossover"


@pytest.mark.thorough
def test_a_thin_book_is_sold_into_until_nothing_is_left(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.depth = Decimal("0.0003")
    assert cross(position, exchange).status == OrderStatus.EXPIRED
    sweep_until(exchange, 12)
    assert_sold(position, exchange)
    assert [order.executed_quantity for order in Order.objects.sales().order_by("pk")] == [
        Decimal("0.0003"), Decimal("0.0003"), Decimal("0.0003"), Decimal("0.0001"),
    ]  # fmt: skip


def test_there_is_one_sale_at_a_time_and_a_pause_between_them(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.depth = Decimal("0.0003")
    cross(position, exchange, LATER)
    assert sweep(exchange, LATER + timedelta(seconds=1)) == []
    exchange.failures = [OutcomeUnknown("timed out")]
    assert sweep(exchange, LATER + timedelta(seconds=2)) == ["ordered"]
    assert sweep(exchange, LATER + timedelta(seconds=60)) == []  # nobody knows what became of it


def test_what_was_denied_for_a_passing_reason_is_sold_once_it_has_passed(
    position: Position, exchange: FakeExchange, settings: Settings
) -> None:
    settings.TRADING_ENABLED = False
    assert cross(position, exchange).reason.startswith("trading_disabled")
    settings.TRADING_ENABLED = True
    assert sweep(exchange, LATER) == ["ordered"]
    assert_sold(position, exchange)


@pytest.mark.thorough
def test_while_the_symbol_is_not_trading_an_exit_waits_and_then_goes_at_once(
    position: Position, exchange: FakeExchange
) -> None:
    Symbol.objects.update(status="BREAK")
    assert cross(position, exchange).reason.startswith("symbol_not_trading")
    sweep_until(exchange, 300)
    assert Order.objects.sales().count() == 1
    Symbol.objects.update(status="TRADING")
    assert sweep(exchange, LATER + timedelta(seconds=301)) == ["ordered"]
    assert_sold(position, exchange)


@pytest.mark.thorough
def test_neither_a_stop_nor_a_halt_tries_what_is_not_trading(
    position: Position, exchange: FakeExchange
) -> None:
    Symbol.objects.update(status="HALT")
    set_halt("flatten", None, "", NOON)
    stop = Stop(position.pk, "BTCUSDT", Decimal(54_000), 0)
    assert stop_out([Hit(stop, Decimal(53_000), 0, 1)], NOON, exchange) == []
    sweep_until(exchange, 100)
    assert not Order.objects.sales().exists()
    set_halt("off", None, "", NOON)
    Symbol.objects.update(status="TRADING")
    assert sweep(exchange, LATER + timedelta(seconds=101)) == ["ordered"]
    assert Signal.objects.get().reason == "stop_loss"
    assert_sold(position, exchange)


def test_a_cross_that_was_evaluated_too_late_still_sells(
    position: Position, exchange: FakeExchange
) -> None:
    closes = ["60000"] * 11 + ["50000"]
    rows = [candle(position.symbol, close, minute=minute) for minute, close in enumerate(closes)]
    for row in rows:
        row.save()
    late = rows[-1].open_time + timedelta(hours=1)
    [signal] = evaluate([CandleClose.from_candle(rows[-1])], late, exchange)
    assert signal.outcome.startswith("denied: stale_signal")
    assert sweep(exchange, late + timedelta(seconds=3)) == ["ordered"]
    assert_sold(position, exchange)


def test_no_entry_comes_before_the_exit_is_done(position: Position, exchange: FakeExchange) -> None:
    exchange.depth = Decimal("0.0003")
    cross(position, exchange)
    assert opened(position.symbol, number=3).reason == (
        "exit_pending: a position of 0.0007 is being sold"
    )
    sweep_until(exchange, 12)
    assert opened(position.symbol, number=4).status == OrderStatus.PENDING


def test_a_buy_that_is_filled_after_the_word_to_sell_is_sold_again(exchange: FakeExchange) -> None:
    strategy()
    btc = symbol()
    buy = opened(btc)
    exchange.failures = [OutcomeUnknown("timed out")]
    submit([buy.pk], exchange, lambda: NOON)
    Order.objects.filter(pk=buy.pk).update(created_at=NOON - timedelta(minutes=1))
    assert opened(btc, Side.SELL, number=2).reason.startswith("order_open")
    record(buy.pk, exchange.reports[buy.client_order_id], LATER)
    assert Position.objects.get().exit_reason == "crossover"
    assert sweep(exchange, LATER) == ["ordered"]
    assert_sold(Position.objects.get(), exchange)


def test_what_is_more_than_an_order_may_sell_is_sold_by_several_without_a_pause(
    position: Position, exchange: FakeExchange
) -> None:
    market_lot = {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "0.0004"}
    Symbol.objects.update(filters=[*FILTERS, {**market_lot, "stepSize": "0"}])
    position.symbol.refresh_from_db()
    cross(position, exchange)
    for _ in range(3):
        sweep(exchange, NOON)
    assert_sold(position, exchange)
    sold = [order.quantity for order in Order.objects.sales().order_by("pk")]
    assert sold == [Decimal("0.00033"), Decimal("0.00033"), Decimal("0.00034")]


def test_an_exit_ends_where_what_is_left_cannot_be_sold(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures = [REFUSED]
    cross(position, exchange)
    candle(position.symbol, "4999").save()
    assert sweep(exchange, LATER) == []
    position.refresh_from_db()
    assert (position.status, position.quantity) == ("closed", HELD)


def test_a_sale_takes_what_the_account_has(position: Position, exchange: FakeExchange) -> None:
    exchange.held["BTC"] = Decimal("0.00044")
    assert cross(position, exchange).status == OrderStatus.REJECTED
    assert sweep(exchange, LATER) == ["ordered"]
    assert exchange.held["BTC"] == 0
    position.refresh_from_db()
    assert (position.status, position.quantity) == ("open", Decimal("0.00056"))
    assert sweep(exchange, LATER + timedelta(minutes=1)) == [
        "denied: below_minimum: of 0.00056 the account has 0 free"
    ]


def test_in_a_halt_too_a_sale_takes_what_the_account_has(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.held["BTC"] = Decimal("0.00044")
    set_halt("flatten", None, "", NOON)
    sweep_until(exchange, 4)
    assert exchange.held["BTC"] == 0
    assert Position.objects.get().quantity == Decimal("0.00056")


def test_in_a_halt_too_an_exit_ends_where_what_is_left_cannot_be_sold(
    position: Position, exchange: FakeExchange
) -> None:
    candle(position.symbol, "4999").save()
    set_halt("flatten", None, "", NOON)
    sweep_until(exchange, 4)
    position.refresh_from_db()
    assert (position.status, position.quantity) == ("closed", HELD)


def test_a_halt_that_is_called_off_amid_a_sweep_spoils_no_other_exit(
    position: Position, exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy("B")
    submit([opened(position.symbol, number=7, strategy="B").pk], exchange, lambda: NOON)
    Position.objects.update(exit_decided_at=NOON, exit_reason="halt")
    Position.objects.filter(strategy="B").update(exit_reason="crossover")

    def read_available(*_: object) -> dict[int, Decimal]:
        revoke_halt_exits()  # by another worker
        return {}

    set_halt("flatten", None, "", NOON)
    monkeypatch.setattr(exits, "flatten_if_halted", lambda *_: [])
    monkeypatch.setattr(exits, "read_available", read_available)
    assert [signal.strategy.name for signal in finish_exits(LATER, exchange)] == ["B"]


@pytest.mark.thorough
def test_a_halt_that_no_longer_flattens_sells_no_more(
    position: Position, exchange: FakeExchange
) -> None:
    set_halt("flatten", None, "", NOON)
    exchange.failures = [REFUSED]
    flatten(NOON, exchange)
    submit(Order.objects.unsent().ids(), exchange, lambda: NOON)
    set_halt("no_entries", None, "", NOON)
    sweep_until(exchange, 60)
    position.refresh_from_db()
    assert (position.status, position.exit_reason) == ("open", "")
