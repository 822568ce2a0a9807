"""A stop rests at the exchange for what is held, and never sells what another order sells."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from market.ticks import Side
from orders.core.status import OrderStatus
from orders.core.stops import Hit, hit
from orders.models import Alarm, Epoch, Order, Position
from orders.services import (
    ANSWER_DUE,
    cancel_misfit_stops,
    create_orders,
    open_stops,
    reconcile_account,
    record,
    resolve_order,
    send_orders,
    set_halt,
    submit,
)
from orders.venue.exchange import Busy, OrderRequest, OutcomeUnknown, Refused
from strategies import tasks
from strategies.services import finish_exits, flatten, open_protective_stops, stop_out
from tests.builders import FILTERS, NOON, NOON_MS, intent, opened, strategy, symbol, tick
from tests.fakes import FakeExchange
from tradingsite import wiring

pytestmark = pytest.mark.django_db
LOST = OutcomeUnknown("timed out")
HELD = Decimal("0.001")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def on(settings: Settings) -> None:
    settings.PROTECTIVE_STOPS = True


@pytest.fixture
def exchange() -> FakeExchange:
    return FakeExchange()


@pytest.fixture
def position(exchange: FakeExchange) -> Position:
    """Bought by A at 60,000 in an epoch that began before, with a stop at 54,000."""
    strategy()
    btc = symbol()
    reconcile_account(exchange, lambda: at(-60))
    submit([opened(btc).pk], exchange, lambda: NOON)
    return Position.objects.get()


@pytest.fixture
def stop(position: Position, exchange: FakeExchange) -> Order:
    """Its stop, resting."""
    sweep(exchange, 1)
    return newest_stop()


def sweep(exchange: FakeExchange, seconds: float) -> None:
    """What the timetable does every second or two."""
    now = at(seconds)
    finish_exits(now, FakeExchange())
    open_protective_stops(now)
    cancel_misfit_stops(exchange, lambda: now)
    send_orders(Order.objects.unsent().ids(), exchange, lambda: now)
    for order_id in Order.objects.unanswered(now - ANSWER_DUE).ids():
        resolve_order(order_id, exchange, lambda: now)


def newest_stop() -> Order:
    return Order.objects.filter(kind="STOP_LOSS").order_by("-pk")[0]


def hits() -> list[Hit]:
    return hit(open_stops(), [tick("53999", time_ms=NOON_MS + 5000)])


def tick_stop(exchange: FakeExchange, seconds: float = 10) -> Order:
    """A tick hits the stop; what becomes of the sale."""
    [signal] = stop_out(hits(), at(seconds), FakeExchange())
    assert signal.order is not None
    send_orders([signal.order.pk], exchange, lambda: at(seconds))
    signal.order.refresh_from_db()
    return signal.order


def sold(exchange: FakeExchange) -> Decimal:
    """How much of what we bought the exchange has sold for us; more than that sold twice."""
    return Decimal(10) + HELD - exchange.held["BTC"]


def statuses() -> list[str]:
    return [f"{one.kind} {one.status}" for one in Order.objects.filter(side="SELL").order_by("pk")]


def test_what_is_held_gets_a_stop_that_rests(position: Position, stop: Order) -> None:
    assert (stop.status, stop.side, stop.kind) == ("NEW", "SELL", "STOP_LOSS")
    assert (stop.quantity, stop.stop_price) == (position.quantity, position.stop_price)
    assert "-stop-" in stop.client_order_id


def test_it_is_written_as_soon_as_the_position_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tasks.open_protective_stops, "delay", lambda: asked.append("open"))
    wiring.protect_positions([])
    settings.PROTECTIVE_STOPS = False
    wiring.protect_positions([])
    assert asked == ["open"]


def test_its_price_is_on_the_tick_below(position: Position, exchange: FakeExchange) -> None:
    Position.objects.update(stop_price=Decimal("54000.0099"))
    sweep(exchange, 1)
    assert newest_stop().stop_price == Decimal(54000)


def test_there_is_one_however_often_it_is_swept(stop: Order, exchange: FakeExchange) -> None:
    for seconds in range(2, 100):
        sweep(exchange, seconds)
    assert statuses() == ["STOP_LOSS NEW"]
    assert len(exchange.placed) == 2  # the entry and the stop


def test_switched_off_there_is_none(
    position: Position, exchange: FakeExchange, settings: Settings
) -> None:
    settings.PROTECTIVE_STOPS = False
    sweep(exchange, 1)
    assert statuses() == []


@pytest.mark.parametrize("name", ["PROTECTIVE_STOPS", "TRADING_ENABLED"])
def test_what_rests_is_taken_back_once_switched_off(
    stop: Order, exchange: FakeExchange, settings: Settings, name: str
) -> None:
    setattr(settings, name, False)
    for seconds in range(2, 6):
        sweep(exchange, seconds)
    assert statuses() == ["STOP_LOSS CANCELED"]


def test_a_position_that_grows_gets_another(
    position: Position, stop: Order, exchange: FakeExchange
) -> None:
    Position.objects.update(quantity=Decimal("0.002"), stop_price=Decimal(53000))
    sweep(exchange, 2)
    sweep(exchange, 3)
    assert statuses() == ["STOP_LOSS CANCELED", "STOP_LOSS NEW"]
    assert (newest_stop().quantity, newest_stop().stop_price) == (Decimal("0.002"), Decimal(53000))


def test_what_is_too_little_to_sell_gets_none(position: Position, exchange: FakeExchange) -> None:
    Position.objects.update(stop_price=Decimal(4999))  # the smallest notional is 5
    sweep(exchange, 1)
    assert statuses() == []


def test_no_more_rest_than_the_exchange_takes(position: Position, exchange: FakeExchange) -> None:
    most = {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 0}
    position.symbol.filters = [*FILTERS, most]
    position.symbol.save()
    sweep(exchange, 1)
    assert statuses() == []


def test_a_refused_one_is_tried_again_after_a_pause(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures = [Refused(-2010, "Order would trigger immediately.")] * 2
    tried = []
    for seconds in range(1, 20):
        sweep(exchange, seconds)
        tried.append(len(statuses()))
    assert tried[:8] == [1, 1, 2, 2, 2, 2, 3, 3]
    assert statuses() == ["STOP_LOSS REJECTED", "STOP_LOSS REJECTED", "STOP_LOSS NEW"]


def test_the_tick_stop_takes_it_back_and_sells(stop: Order, exchange: FakeExchange) -> None:
    sale = tick_stop(exchange)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert sale.executed_quantity == sold(exchange) == HELD
    assert Position.objects.get().status == "closed"


def test_one_that_has_sold_leaves_the_tick_stop_nothing(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.trigger(stop.client_order_id)
    sale = tick_stop(exchange)
    assert statuses() == ["STOP_LOSS FILLED", "MARKET EXPIRED_UNSENT"]
    assert sale.reason == f"the protective stop {stop.client_order_id} has sold the position"
    assert sold(exchange) == HELD
    assert finish_exits(at(100), FakeExchange()) == []


def test_one_that_has_sold_in_part_leaves_the_rest(stop: Order, exchange: FakeExchange) -> None:
    exchange.trigger(stop.client_order_id, "0.0004")
    sale = tick_stop(exchange)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert (sale.quantity, sold(exchange)) == (Decimal("0.0006"), HELD)
    assert Position.objects.get().status == "closed"


def test_nothing_is_sold_before_it_is_known_to_have_ended(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.cancel_failures = [LOST]  # carried out
    exchange.lookup_failures = [LOST] * 3
    assert tick_stop(exchange).status == "PENDING"
    assert sold(exchange) == 0
    exchange.lookup_failures = []
    sweep(exchange, 12)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert sold(exchange) == HELD


def test_a_cancel_that_finds_nothing_decides_nothing(stop: Order, exchange: FakeExchange) -> None:
    exchange.trigger(stop.client_order_id)
    exchange.lookup_failures = [LOST]  # after the -2011
    assert tick_stop(exchange).status == "PENDING"
    sweep(exchange, 12)
    assert statuses() == ["STOP_LOSS FILLED", "MARKET EXPIRED_UNSENT"]
    assert sold(exchange) == HELD


def test_while_the_exchange_is_busy_the_sale_waits(stop: Order, exchange: FakeExchange) -> None:
    exchange.cancel_failures = [Busy(1, "limits")]
    assert tick_stop(exchange).status == "PENDING"
    sweep(exchange, 12)
    assert sold(exchange) == HELD


def test_one_whose_placement_was_not_answered_is_found_before_anything_is_sold(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures = [LOST]  # carried out
    exchange.lookup_failures = [LOST]
    sweep(exchange, 1)
    name = newest_stop().client_order_id
    exchange.unlisted = {name}
    assert tick_stop(exchange).status == "PENDING"
    exchange.unlisted = set()
    sweep(exchange, 12)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]
    assert sold(exchange) == HELD


def test_one_that_was_never_placed_stands_in_the_way_only_until_that_is_sure(
    position: Position, exchange: FakeExchange
) -> None:
    exchange.failures, exchange.executes = [LOST], False
    sweep(exchange, 1)
    assert tick_stop(exchange).status == "PENDING"
    sweep(exchange, 22)
    sweep(exchange, 24)
    assert statuses() == ["STOP_LOSS EXPIRED_UNSENT", "MARKET FILLED"]


def test_one_that_was_not_sent_yet_never_is(position: Position, exchange: FakeExchange) -> None:
    open_protective_stops(at(1))
    tick_stop(exchange)
    send_orders([newest_stop().pk], exchange, lambda: at(11))
    assert statuses() == ["STOP_LOSS EXPIRED_UNSENT", "MARKET FILLED"]
    assert sold(exchange) == HELD


def test_a_sale_is_claimed_only_where_nothing_rests(stop: Order, exchange: FakeExchange) -> None:
    btc = stop.symbol
    sell = intent(btc, Side.SELL, 2)
    [sale] = create_orders([sell], [btc], FakeExchange(), now=at(5), send=True)
    assert sale.status == "PENDING"
    send_orders([sale.pk], exchange, lambda: at(5))
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]


def test_a_halt_takes_it_back_and_sells(stop: Order, exchange: FakeExchange) -> None:
    set_halt("flatten", None, "", at(5))
    assert len(flatten(at(6), FakeExchange())) == 1
    sweep(exchange, 7)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET FILLED"]


def test_none_is_written_while_a_sale_is_under_way(
    position: Position, exchange: FakeExchange
) -> None:
    [signal] = stop_out(hits(), at(10), FakeExchange())
    assert open_protective_stops(at(10)) == []
    assert signal.outcome == "ordered"


def test_a_failed_sale_is_tried_again_and_not_guarded_meanwhile(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.failures = [Refused(-2010, "no funds")]
    tick_stop(exchange)
    for seconds in range(11, 15):
        sweep(exchange, seconds)
    assert statuses() == ["STOP_LOSS CANCELED", "MARKET REJECTED", "MARKET FILLED"]


def test_one_that_sold_while_we_were_down_is_booked(stop: Order, exchange: FakeExchange) -> None:
    exchange.trigger(stop.client_order_id)
    reconcile_account(exchange, lambda: at(3600))
    assert Position.objects.get().status == "closed"
    assert open_stops() == []
    sweep(exchange, 3601)
    assert (sold(exchange), len(exchange.placed)) == (HELD, 2)


def test_one_that_others_cancelled_is_noticed_and_placed_anew(
    stop: Order, exchange: FakeExchange
) -> None:
    name, resting = stop.client_order_id, exchange.reports[stop.client_order_id]
    theirs = replace(resting, status=OrderStatus.CANCELED, client_order_id="theirs")
    exchange.reports[name] = theirs
    reconcile_account(exchange, lambda: at(3600))
    sweep(exchange, 3601)
    assert statuses() == ["STOP_LOSS CANCELED", "STOP_LOSS NEW"]


def test_one_that_rests_is_not_asked_for(stop: Order, exchange: FakeExchange) -> None:
    sweep(exchange, 3600)
    reconcile_account(exchange, lambda: at(3600))
    assert stop.client_order_id not in exchange.asked


def test_balances_are_held_against_our_books_while_one_rests(
    stop: Order, exchange: FakeExchange
) -> None:
    reconcile_account(exchange, lambda: at(60))
    assert not Alarm.objects.exists()
    exchange.held["BTC"] += 2
    reconcile_account(exchange, lambda: at(120))
    reconcile_account(exchange, lambda: at(240))
    assert Alarm.objects.get().raised_at is not None


def test_one_placed_after_a_reset_goes_on_in_the_new_epoch(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.reports.clear()
    strategy("B")
    wish = intent(stop.symbol, number=2, strategy="B", expires_ms=NOON_MS + 900_000)
    [entry] = create_orders([wish], [stop.symbol], FakeExchange(), now=at(300))
    submit([entry.pk], exchange, lambda: at(300))
    sweep(exchange, 301)
    reconcile_account(exchange, lambda: at(400))
    assert statuses() == ["STOP_LOSS EXPIRED", "STOP_LOSS NEW"]
    assert Epoch.objects.count() == 2


def test_after_a_reset_its_number_is_nobody_elses(stop: Order, exchange: FakeExchange) -> None:
    request = OrderRequest("BTCUSDT", Side.BUY, HELD, "theirs", NOON_MS)
    exchange.reports = {"gone": exchange.reports["test-1"]}  # so that the next is number 2
    exchange.place(request)
    assert exchange.reports["theirs"].exchange_order_id == stop.exchange_order_id
    assert tick_stop(exchange).status == "PENDING"
    stop.refresh_from_db()
    assert (stop.status, stop.trades.count()) == ("NEW", 0)


def test_cancels_are_not_taken_for_a_reset(stop: Order, exchange: FakeExchange) -> None:
    Order.objects.filter(side="BUY").update(exchange_order_id=None)
    assert stop.exchange_order_id is not None
    exchange.cancel("BTCUSDT", stop.client_order_id, stop.exchange_order_id)
    reconcile_account(exchange, lambda: at(3600))
    assert Epoch.objects.count() == 1


def test_nothing_is_bought_while_an_old_one_rests(position: Position, stop: Order) -> None:
    Position.objects.update(status="closed", quantity=0)
    entry = opened(stop.symbol, number=5)
    assert entry.reason == "order_open: the last position's protective stop has not ended"


def test_late_fills_are_awaited_before_the_rest_is_sold(
    stop: Order, exchange: FakeExchange
) -> None:
    exchange.trigger(stop.client_order_id, "0.0004")
    whole = exchange.hide_fills(stop.client_order_id)
    assert tick_stop(exchange).status == "PENDING"
    record(stop.pk, whole, at(11))  # the account's stream tells of them
    sweep(exchange, 12)
    assert (statuses()[1], sold(exchange)) == ("MARKET FILLED", HELD)
