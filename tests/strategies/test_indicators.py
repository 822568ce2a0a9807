"""Moving averages: exact, and a function of a fixed window."""

from decimal import Decimal, getcontext, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.indicators import ema, sma

CLOSES = [Decimal(text) for text in ("1", "2", "4", "8", "16", "32", "64", "128", "256", "512")]
prices = st.decimals("0.00000001", "1000000", places=8)


def test_sma_is_the_mean_of_the_last_closes() -> None:
    assert sma(CLOSES, 3) == Decimal("298.6666666667")


def test_ema_of_one_period_is_the_close() -> None:
    assert ema(CLOSES, 1) == 512


def test_ema_follows_its_definition() -> None:
    closes = [Decimal(n) for n in range(1, 21)]
    average = Decimal("1.5")  # the mean of the first two, then weight 2/3
    for close in closes[2:]:
        average += Decimal(2) / 3 * (close - average)
    assert abs(ema(closes, 2) - average) < Decimal("1E-10")


@given(st.lists(prices, min_size=30, max_size=60), st.lists(prices, max_size=40))
def test_what_lies_before_the_window_changes_no_digit(
    closes: list[Decimal], older: list[Decimal]
) -> None:
    assert ema(older + closes, 3) == ema(closes, 3)
    assert sma(older + closes, 3) == sma(closes, 3)


def test_the_context_of_the_process_changes_no_digit() -> None:
    closes = [Decimal(n) / 7 for n in range(1, 51)]
    expected = ema(closes, 5)
    with localcontext() as context:
        context.prec = 6
        assert ema(closes, 5) == expected
    assert getcontext().prec == 28


@pytest.mark.parametrize("period", [0, 2])
def test_too_few_closes_are_refused(period: int) -> None:
    with pytest.raises(ValueError, match="period"):
        ema(CLOSES, period) if period == 0 else ema(CLOSES[:19], period)
