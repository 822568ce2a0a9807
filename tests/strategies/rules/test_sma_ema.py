"""Buying and selling by the rule `sma_ema`."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from market.ticks import Side
from strategies.rules.sma_ema import Averages, Parameters, crossover, evaluate, history_needed


def at(ema: str, sma: str = "100") -> Averages:
    return Averages(sma=Decimal(sma), ema=Decimal(ema))


@pytest.mark.parametrize(
    ("before", "now", "side"),
    [
        ("99", "101", Side.BUY),
        ("100", "101", Side.BUY),
        ("101", "99", Side.SELL),
        ("100", "99", Side.SELL),
        ("99", "100", None),
        ("101", "102", None),
        ("100", "100", None),
    ],
)
def test_the_ema_crosses_the_sma(before: str, now: str, side: Side | None) -> None:
    assert crossover(at(before), at(now)) == side


def test_a_jump_up_is_bought_and_a_fall_is_sold() -> None:
    flat = [Decimal(100)] * 10
    assert evaluate([*flat, Decimal(110)], Parameters(2, 1)).side is Side.BUY
    assert evaluate([*flat, Decimal(90)], Parameters(2, 1)).side is Side.SELL
    assert evaluate([*flat, Decimal(100)], Parameters(2, 1)).side is None


@given(st.lists(st.decimals("1", "100", places=2), min_size=40, max_size=60))
def test_buys_and_sells_take_turns(closes: list[Decimal]) -> None:
    ends = range(21, len(closes) + 1)
    evaluated = [evaluate(closes[:end], Parameters(4, 2)) for end in ends]
    # An EMA that meets the SMA exactly and turns back signals the same side again.
    assume(all(one.current.ema != one.current.sma for one in evaluated))
    sides = [one.side for one in evaluated if one.side]
    assert all(before is not after for before, after in pairwise(sides))


def test_history_covers_both_averages_now_and_before() -> None:
    assert history_needed(Parameters(10, 5)) == 51
    assert history_needed(Parameters(200, 5)) == 201
