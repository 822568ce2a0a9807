"""When a strategy buys and sells."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from market.ticks import Side
from strategies.rules.sma_ema import Averages, crossover, judge


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
    assert judge([*flat, Decimal(110)], 2, 1).side is Side.BUY
    assert judge([*flat, Decimal(90)], 2, 1).side is Side.SELL
    assert judge([*flat, Decimal(100)], 2, 1).side is None


@settings(deadline=None)
@given(st.lists(st.decimals("1", "100", places=2), min_size=40, max_size=60))
def test_buys_and_sells_take_turns(closes: list[Decimal]) -> None:
    judged = [judge(closes[: end + 1], 4, 2) for end in range(20, len(closes))]
    # An EMA that meets the SMA exactly and turns back signals the same side again.
    assume(all(one.current.ema != one.current.sma for one in judged))
    sides = [one.side for one in judged if one.side]
    assert all(before is not after for before, after in pairwise(sides))
