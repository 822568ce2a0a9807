"""Candles evaluated once and in order; signal and order written together."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from redis import Redis

from candles.models import Candle
from market.models import Symbol
from market.ticks import Side
from orders.core.status import OrderStatus
from orders.models import HaltLevel, Order
from orders.services import set_halt
from strategies.models import Signal, SignalReason, Strategy, StrategyState
from strategies.services import CandleClose, catch_up, evaluate
from tests.builders import NOON, candle, decimals, strategy, symbol, tick
from tests.fakes import FakeExchange
from tests.rows import write_stream

# Entries are held against the last price, which tests before may have left in Redis.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
FLAT = ["10000"] * 11  # as much as a strategy with an EMA of 1 needs
FLAT_END = NOON + timedelta(minutes=len(FLAT))


def closed(of: Symbol, closes: Sequence[str], *, first: int = 0) -> list[Candle]:
    """Consecutive closed candles in the database, oldest first."""
    rows = [candle(of, close, minute=first + minute) for minute, close in enumerate(closes)]
    return Candle.objects.bulk_create(rows)


def after(candle: Candle) -> datetime:
    """Half a second after it closed."""
    return candle.open_time + timedelta(seconds=60.5)


def evaluated(*candles: Candle) -> list[Signal]:
    return evaluate(list(map(CandleClose.from_candle, candles)), after(candles[-1]), FakeExchange())


def test_a_cross_becomes_a_signal_with_its_order() -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    [signal] = evaluated(last)
    assert (signal.side, signal.reason, signal.outcome) == (Side.BUY, "crossover", "ordered")
    assert (signal.price, signal.ema, signal.sma) == decimals("11000", "11000", "10500")
    assert (signal.previous_ema, signal.previous_sma) == decimals("10000", "10000")
    assert signal.order is not None
    assert signal.order.client_order_id == signal.key
    assert signal.order.expires_at == last.open_time + timedelta(minutes=3)


def test_a_candle_evaluated_twice_is_evaluated_once() -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    assert len(evaluated(last)) == 1
    assert evaluated(last) == []
    assert (Signal.objects.count(), Order.objects.count()) == (1, 1)


def test_without_a_cross_the_state_says_so() -> None:
    strategy()
    *_, last = closed(symbol(), FLAT)
    assert evaluated(last) == []
    state = StrategyState.objects.get()
    assert (state.ema, state.sma) == decimals("10000", "10000")
    assert state.open_time == last.open_time
    assert state.note == "no cross: EMA 10000, SMA 10000"


def test_too_little_history_gives_no_signal() -> None:
    strategy()
    *_, last = closed(symbol(), ["10000", "11000"])
    assert evaluated(last) == []
    assert "2 candles in a row, 11 are needed" in StrategyState.objects.get().note


def test_a_hole_in_the_history_gives_no_signal() -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    Candle.objects.filter(open_time=NOON + timedelta(minutes=7)).delete()
    assert evaluated(last) == []
    assert "that of 2026-01-02 12:07:00 is missing" in StrategyState.objects.get().note


def test_candles_that_were_missed_are_evaluated_first_and_in_order() -> None:
    strategy()
    btc = symbol()
    *_, last = closed(btc, FLAT)
    evaluated(last)
    *_, last = closed(btc, ["11000", "9000"], first=len(FLAT))
    buy, sell = evaluate([CandleClose.from_candle(last)], after(last), FakeExchange())
    assert (buy.side, buy.outcome[:10]) == (Side.BUY, "superseded")
    assert (sell.side, sell.outcome) == (
        Side.SELL,
        "denied: nothing_to_sell: no position is open",
    )


def test_an_older_candle_never_takes_a_state_back() -> None:
    strategy()
    *_, before, last = closed(symbol(), [*FLAT, "11000"])
    evaluated(last)
    assert evaluated(before) == []
    assert StrategyState.objects.get().open_time == last.open_time


def test_a_signal_of_an_old_candle_is_kept_but_not_acted_on() -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    closed_at = last.open_time + timedelta(minutes=1)
    [signal] = evaluate(
        [CandleClose.from_candle(last)], closed_at + timedelta(minutes=2, seconds=1), FakeExchange()
    )
    assert signal.order is None
    assert signal.outcome == "stale: evaluated 1.0 s too late"


def test_a_candle_of_two_intervals_is_still_acted_on() -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    [signal] = evaluate(
        [CandleClose.from_candle(last)], last.open_time + timedelta(minutes=3), FakeExchange()
    )
    assert signal.outcome == "ordered"


def test_two_strategies_evaluate_the_same_candle_each_for_itself() -> None:
    strategy("A")
    strategy("B", stop_loss="0.2")
    *_, last = closed(symbol(), [*FLAT, "11000"])
    orders = [signal.order for signal in evaluated(last)]
    assert [(order.strategy, order.stop_loss) for order in orders if order] == [
        ("A", Decimal("0.1")),
        ("B", Decimal("0.2")),
    ]


def test_a_strategy_sees_its_own_symbols_and_interval_alone() -> None:
    btc, eth, off = symbol(), symbol("ETHUSDT"), symbol("BNBUSDT", followed=False)
    strategy("named").symbols.add(eth)
    strategy("slow", interval="5m")
    strategy("disabled", enabled=False)
    last = [closed(of, [*FLAT, "11000"])[-1] for of in (btc, eth, off)]
    assert [(s.strategy.name, s.symbol.name) for s in evaluated(*last)] == [("named", "ETHUSDT")]


def test_without_an_interval_a_strategy_takes_the_first_setting(settings: Settings) -> None:
    settings.INTERVALS = ["5m", "1m"]
    strategy(interval="")
    *_, minute = closed(symbol(), [*FLAT, "11000"])
    assert evaluated(minute) == []
    assert not StrategyState.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_symbols(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    strategy("A")
    strategy("B")
    last = [closed(symbol(f"X{n}USDT"), [*FLAT, "11000"])[-1] for n in range(20)]
    with django_assert_max_num_queries(25):
        assert len(evaluated(*last)) == 40


def test_a_strategy_that_was_changed_evaluates_the_next_candle_anew() -> None:
    one = strategy()
    btc = symbol()
    *_, last = closed(btc, FLAT)
    evaluated(last)
    Strategy.objects.filter(pk=one.pk).update(sma_period=3, stop_loss="0.25")
    *_, last = closed(btc, ["11500"], first=len(FLAT))
    [signal] = evaluated(last)
    assert (signal.sma, signal.order and signal.order.stop_loss) == decimals("10500", "0.25")
    Strategy.objects.filter(pk=one.pk).update(enabled=False)
    *_, last = closed(btc, ["9000"], first=len(FLAT) + 1)
    assert evaluated(last) == []


def test_a_close_that_was_revised_counts_as_it_stands_now() -> None:
    strategy()
    btc = symbol()
    *_, last = closed(btc, FLAT)
    evaluated(last)
    Candle.objects.filter(pk=last.pk).update(close=Decimal("10400"))
    *_, last = closed(btc, ["10800"], first=len(FLAT))
    evaluated(last)
    assert StrategyState.objects.get().sma == Decimal("10600")


def test_a_signal_keeps_the_revision_that_it_was_made_on() -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    Candle.objects.filter(pk=last.pk).update(revision=2)
    [signal] = evaluated(last)
    assert signal.candle_revision == 2
    Candle.objects.filter(pk=last.pk).update(revision=3, close=Decimal("9000"))
    assert evaluated(last) == []
    signal.refresh_from_db()
    assert (signal.candle_revision, signal.price) == (2, Decimal(11000))


def test_a_halt_governs_the_next_order() -> None:
    strategy()
    btc = symbol()
    set_halt(HaltLevel.NO_ENTRIES, None, "", NOON)
    *_, last = closed(btc, [*FLAT, "11000"])
    assert [signal.outcome[:14] for signal in evaluated(last)] == ["denied: halted"]


def test_an_entry_is_held_against_the_last_price(redis: Redis) -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    write_stream(redis, [tick("11300")])
    assert evaluated(last)[0].outcome == (
        "denied: price_moved: from 11000 to 11300 since the signal, MAX_PRICE_MOVE is 0.02"
    )


def test_orders_that_are_claimed_stand_so_with_their_signal() -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    [signal] = evaluate([CandleClose.from_candle(last)], after(last), FakeExchange(), send=True)
    order = Order.objects.get(pk=signal.order_id)
    assert (order.status, order.submitted_at) == (OrderStatus.SUBMITTED, after(last))
    assert [step.status for step in order.changes.all()] == ["PENDING", "SUBMITTED"]


class TestSweep:
    def test_evaluates_what_nobody_evaluated(self) -> None:
        strategy()
        btc = symbol()
        *_, last = closed(btc, FLAT)
        evaluated(last)
        *_, last = closed(btc, ["11000", "11000"], first=len(FLAT))
        [signal] = catch_up(after(last), FakeExchange())
        assert (signal.side, signal.candle_open_time) == (Side.BUY, FLAT_END)
        assert catch_up(after(last), FakeExchange()) == []

    def test_a_new_strategy_begins_at_the_newest_candle_and_acts_on_the_next(self) -> None:
        strategy()
        btc = symbol()
        *_, last = closed(btc, [*FLAT, "11000"])
        assert catch_up(after(last), FakeExchange()) == []
        assert StrategyState.objects.get().open_time == last.open_time
        *_, last = closed(btc, ["9000"], first=len(FLAT) + 1)
        assert [signal.side for signal in catch_up(after(last), FakeExchange())] == [Side.SELL]

    @pytest.mark.thorough
    def test_a_long_absence_is_caught_up_with(self) -> None:
        strategy()
        btc = symbol()
        *_, last = closed(btc, FLAT)
        evaluated(last)
        *_, last = closed(btc, ["11000", "9000"] * 400, first=len(FLAT))
        signals = catch_up(after(last), FakeExchange())
        assert len(signals) == 800
        assert [s.outcome.split(":")[0] for s in signals[-4:]] == [
            "stale",
            "stale",
            "superseded",
            "denied",
        ]

    def test_a_strategy_that_left_a_symbol_does_not_hold_the_sweep_up(self) -> None:
        left = strategy()
        btc, eth = symbol(), symbol("ETHUSDT")
        *_, last = closed(btc, FLAT)
        evaluated(last)
        left.symbols.add(eth)
        *_, last = closed(btc, ["11000"], first=len(FLAT))
        assert catch_up(after(last), FakeExchange()) == []


def test_an_order_is_written_with_its_signal_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy()
    *_, last = closed(symbol(), [*FLAT, "11000"])
    monkeypatch.setattr("strategies.queries.insert_signals", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluated(last)
    assert (Order.objects.count(), StrategyState.objects.count()) == (0, 0)
    monkeypatch.undo()
    assert [s.reason for s in evaluated(last)] == [SignalReason.CROSSOVER]
    assert Order.objects.get().status == OrderStatus.PENDING
