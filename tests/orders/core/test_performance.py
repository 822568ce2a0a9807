"""How well positions did, by hand-computed examples and by law."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.ticks import Side
from orders.core.performance import PositionResult, performance
from orders.services import position_results, submit
from tests.builders import NOON, opened, symbol
from tests.fakes import FakeExchange


def closed(realised: str, at: int = 1, invested: str = "100") -> PositionResult:
    return PositionResult(Decimal(invested), Decimal(realised), Decimal(0), Decimal("0.1"), at)


def test_the_figures_of_four_positions() -> None:
    figures = performance([closed("10", 1), closed("-4", 2), closed("-1", 3), closed("5", 4)])
    assert figures["pnl"] == figures["realised"] == "10"
    assert figures["win_rate"] == "0.5"
    assert figures["profit_factor"] == "3"
    assert figures["expectancy"] == "2.5"
    assert figures["maximum_drawdown"] == "5"
    assert figures["fees"] == "0.4"
    assert figures["sharpe"] == "0.40032038"  # a mean of 0.025 by a deviation of 0.06245
    assert [point["equity"] for point in figures["equity"]] == ["10", "6", "5", "10"]


def test_a_loss_from_the_start_is_a_drawdown() -> None:
    assert performance([closed("-3")])["maximum_drawdown"] == "3"


def test_what_cannot_be_divided_is_none() -> None:
    figures = performance([])
    assert figures["pnl"] == "0"
    assert [figures[name] for name in ("win_rate", "profit_factor", "expectancy", "sharpe")] == [
        None
    ] * 4
    assert performance([closed("1")])["profit_factor"] is None


def test_an_open_position_counts_with_what_it_is_worth() -> None:
    held = PositionResult(Decimal(100), Decimal(2), Decimal(-5), Decimal(0), None)
    figures = performance([held, closed("10")])
    assert (figures["realised"], figures["unrealised"], figures["pnl"]) == ("12", "-5", "7")
    assert (figures["positions"], figures["closed"]) == (2, 1)


@given(st.lists(st.decimals("-100", "100", places=4), max_size=20))
def test_the_equity_curve_ends_at_what_was_realised(gains: list[Decimal]) -> None:
    figures = performance([closed(str(gain), n) for n, gain in enumerate(gains)])
    end = figures["equity"][-1]["equity"] if gains else "0"
    assert end == figures["realised"]
    assert Decimal(figures["maximum_drawdown"]) >= 0


@pytest.mark.django_db
def test_positions_are_read_by_strategy_and_quote_asset() -> None:
    btc, exchange = symbol(), FakeExchange()
    submit([opened(btc).pk], exchange, lambda: NOON)
    exchange.price += 1000
    later = NOON + timedelta(seconds=1)
    submit([opened(btc, Side.SELL, number=2).pk], exchange, lambda: later)
    submit([opened(btc, number=3, strategy="B").pk], exchange, lambda: later)
    found = position_results({"BTCUSDT": Decimal(62000)})
    [sold], [held] = found["A", "USDT"], found["B", "USDT"]
    assert (sold.invested, sold.realised) == (Decimal(60), Decimal(1))
    assert (held.unrealised, held.closed_ms) == (Decimal(1), None)
