"""Exact money: one arithmetic context, one way to write a number."""

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

# Wide enough for any sum of price x quantity at 8 decimals each; what does not fit raises
# instead of rounding.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])
ZERO = Decimal(0)


def plain(value: Decimal) -> str:
    """`value` in digits alone: no exponent, no trailing zeros, `-0` as `0`.

    >>> plain(Decimal("61837.63000000")), plain(Decimal("1E+3"))
    ('61837.63', '1000')
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`; a step of 0 is switched off."""
    return value if step == 0 else EXACT.multiply(value // step, step)
