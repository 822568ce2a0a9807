"""Exact money: one arithmetic context, one way to write a number."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import reduce

# Wide enough for any sum of price x quantity at 8 decimals each; what does not fit raises
# instead of rounding.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])
ZERO = Decimal(0)
# Digits of an amount from outside. Two of them multiplied fit EXACT, with room to add many up.
MAX_WHOLE_DIGITS = 15
MAX_PLACES = 12
MAX_STORED_DIGITS = 60  # on either side of the point: more than EXACT ever makes


def plain(value: Decimal) -> str:
    """`value` in digits alone: no exponent, no trailing zeros, `-0` as `0`.

    >>> plain(Decimal("61837.63000000")), plain(Decimal("1E+3"))
    ('61837.63', '1000')
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum of values."""
    return reduce(EXACT.add, values, ZERO)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`; a step of 0 is switched off."""
    return value if step == 0 else EXACT.multiply(value // step, step)


def is_bounded(
    value: Decimal, whole_digits: int = MAX_WHOLE_DIGITS, places: int = MAX_PLACES
) -> bool:
    """True for a finite number with no more digits before and behind its point than these.

    To be asked before any arithmetic or formatting: 1e-999999999 is a short text and a number
    whose digits fill gigabytes. Zeros behind the point count, for they are kept.
    """
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):  # an infinity or no number
        return False
    return -places <= exponent and max(value.adjusted(), exponent) < whole_digits
