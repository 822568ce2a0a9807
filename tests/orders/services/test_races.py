"""Several workers at once: one claims, one books, one writes, and the others do no harm."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from pytest_django import Settings

from candles.models import Candle
from market.ticks import Side
from orders.core.stops import hit
from orders.models import Alarm, Balance, Epoch, Order, OrderChange, Position, Trade
from orders.services import (
    accept_alarm,
    append_trade_log,
    open_stops,
    record,
    send_orders,
    submit,
)
from strategies.models import Signal, StrategyState
from strategies.services import CandleClose, evaluate, open_protective_stops, stop_out
from tests.builders import NOON, NOON_MS, candle, opened, strategy, symbol, tick
from tests.fakes import FakeExchange

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis"),
    pytest.mark.thorough,
]


@pytest.fixture(autouse=True)
def no_reactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here only the database is raced for."""
    for module, name in (
        ("orders.events", "order_changed"),
        ("orders.events", "trade_booked"),
        ("orders.events", "position_changed"),
        ("strategies.events", "signal_raised"),
    ):
        monkeypatch.setattr(f"{module}.{name}.reactions", [])


def at_once(work: Callable[[], object], threads: int = 4) -> None:
    """Run `work` in several threads that start together; fail where one failed."""
    barrier = threading.Barrier(threads)
    failures: list[Exception] = []

    def run() -> None:
        try:
            barrier.wait()
            work()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    runners = [threading.Thread(target=run) for _ in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert failures == []


def test_an_order_is_sent_by_one_worker() -> None:
    order = opened(symbol())
    exchange = FakeExchange()
    at_once(lambda: submit([order.pk], exchange, lambda: NOON))
    assert len(exchange.placed) == 1
    assert Position.objects.get().quantity == order.quantity
    assert OrderChange.objects.count() == 3


def test_a_fill_that_several_report_is_booked_once() -> None:
    order = opened(symbol())
    exchange = FakeExchange(slices=4)
    submit([order.pk], exchange, lambda: NOON)
    report = exchange.reports[order.client_order_id]
    Trade.objects.all().delete()
    Position.objects.all().delete()
    Order.objects.update(status="UNKNOWN")
    at_once(lambda: record(order.pk, report, NOON))
    assert Trade.objects.count() == 4
    assert Position.objects.get().quantity == order.quantity


def test_a_candle_that_several_evaluate_gives_one_signal_and_one_order() -> None:
    strategy()
    btc = symbol()
    closes = ["10000"] * 11 + ["11000"]
    rows = [candle(btc, close, minute=minute) for minute, close in enumerate(closes)]
    *_, last = Candle.objects.bulk_create(rows)
    at_once(
        lambda: evaluate(
            [CandleClose.from_candle(last)], last.open_time + timedelta(minutes=1), FakeExchange()
        )
    )
    assert Signal.objects.count() == Order.objects.count() == StrategyState.objects.count() == 1


def entries_at_once() -> Counter[str]:
    """Four symbols entered at once, by transactions that commit late; what became of them."""
    numbers = iter(enumerate([symbol(f"{base}USDT", base_asset=base) for base in "WXYZ"]))

    def enter() -> None:
        number, one = next(numbers)
        with transaction.atomic():
            opened(one, number=number)
            time.sleep(0.1)

    at_once(enter)
    reasons = Order.objects.values_list("reason", flat=True)
    return Counter(reason.partition(":")[0] or "ordered" for reason in reasons)


def test_entries_at_once_on_several_symbols_stay_within_the_limit(settings: Settings) -> None:
    settings.MAX_ENTRIES_PER_HOUR = 2
    assert entries_at_once() == {"ordered": 2, "too_many_entries": 2}


def test_entries_at_once_on_several_symbols_spend_a_balance_once() -> None:
    Balance.objects.create(asset="USDT", free=Decimal(99), read_at=NOON)  # one takes 50 or more
    assert entries_at_once() == {"ordered": 1, "balance_too_low": 3}


def test_an_alarm_that_several_accept_counts_once() -> None:
    btc, operator = symbol(), User.objects.create_user("operator")
    Epoch.objects.create(started_at=NOON, reason="first look", balances={"BTC": "10"})
    alarm = Alarm.objects.create(
        symbol=btc, text="differs", difference=Decimal(2), since=NOON, raised_at=NOON
    )
    at_once(lambda: accept_alarm(alarm.pk, Decimal(2), operator, NOON))
    assert Epoch.objects.get().balances == {"BTC": "12"}


def test_a_stop_that_several_see_hit_sells_once() -> None:
    strategy()
    btc = symbol()
    submit([opened(btc).pk], FakeExchange(), lambda: NOON)
    hits = hit(open_stops(), [tick("50000", time_ms=NOON_MS + 1)])
    at_once(lambda: stop_out(hits, NOON, FakeExchange()))
    assert Order.objects.filter(side=Side.SELL).count() == 1


def test_a_stop_and_a_signal_never_both_sell() -> None:
    strategy()
    btc = symbol()
    submit([opened(btc).pk], FakeExchange(), lambda: NOON)
    hits = hit(open_stops(), [tick("50000", time_ms=NOON_MS + 1)])
    turns = iter(range(4))

    def sell() -> None:
        number = next(turns)
        if number % 2:
            stop_out(hits, NOON, FakeExchange())
        else:
            opened(btc, Side.SELL, number=10 + number)

    at_once(sell)
    assert Order.objects.filter(side=Side.SELL, status="PENDING").count() == 1


def test_a_position_that_several_guard_gets_one_stop(settings: Settings) -> None:
    settings.PROTECTIVE_STOPS = True
    strategy()
    exchange = FakeExchange()
    submit([opened(symbol()).pk], exchange, lambda: NOON)
    at_once(lambda: open_protective_stops(NOON))
    at_once(lambda: send_orders(Order.objects.unsent().ids(), exchange, lambda: NOON))
    assert [order.status for order in Order.objects.filter(side=Side.SELL)] == ["NEW"]


def test_a_stop_and_a_sale_at_once_sell_once(settings: Settings) -> None:
    settings.PROTECTIVE_STOPS = True
    strategy()
    exchange = FakeExchange()
    submit([opened(symbol()).pk], exchange, lambda: NOON)
    hits = hit(open_stops(), [tick("54000", time_ms=NOON_MS + 1)])
    turns = iter(range(4))

    def work() -> None:
        if next(turns) % 2:
            stop_out(hits, NOON, FakeExchange())
        else:
            open_protective_stops(NOON)
        send_orders(Order.objects.unsent().ids(), exchange, lambda: NOON)

    at_once(work)
    send_orders(Order.objects.unsent().ids(), exchange, lambda: NOON)
    assert Position.objects.get().status == Position.Status.CLOSED
    assert exchange.waiting() == []
    assert exchange.held["BTC"] == 10


def test_several_writers_log_a_fill_once(settings: Settings, tmp_path: Path) -> None:
    settings.TRADE_LOG = tmp_path / "trades.jsonl"
    order = opened(symbol())
    submit([order.pk], FakeExchange(slices=20), lambda: NOON)
    at_once(append_trade_log)
    assert settings.TRADE_LOG.read_text().count("\n") == 20
