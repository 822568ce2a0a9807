from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.decimals import floor_to_step, plain


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("61837.63000000", "61837.63"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("0E-8", "0"),
        ("-0.0", "0"),
        ("100", "100"),
        ("-2.50", "-2.5"),
    ],
)
def test_numbers_are_written_in_digits_alone(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_writing_a_number_loses_nothing(number: Decimal) -> None:
    assert Decimal(plain(number)) == number


@given(st.integers(0, 10**16), st.sampled_from(["0.00001", "0.01", "1", "7"]))
def test_flooring_gives_the_next_multiple_below(units: int, step: str) -> None:
    value = Decimal(units).scaleb(-8)
    floored = floor_to_step(value, Decimal(step))
    assert floored <= value < floored + Decimal(step)
    assert floored % Decimal(step) == 0


def test_a_step_of_zero_is_switched_off() -> None:
    assert floor_to_step(Decimal("1.23456789"), Decimal(0)) == Decimal("1.23456789")
