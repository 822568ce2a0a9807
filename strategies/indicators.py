"""Moving averages over closes.

Both are functions of a fixed number of closes and of nothing else: live, replay and backtest
agree to the digit, wherever their history begins. Weights like 2/7 never end as decimals, so
the averages are computed in one context of their own, whatever the process has set, and rounded
half-even to 10 decimals: two more than a price has, and short enough to store and compare.
"""

from collections.abc import Sequence
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)

CONTEXT = Context(
    prec=34, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)
PLACES = Decimal("1E-10")
EMA_WINDOW = 10  # periods


def sma(closes: Sequence[Decimal], period: int) -> Decimal:
    """Mean of the last `period` of `closes`, oldest first.

    Raises ValueError where there are too few.
    """
    recent = _last(closes, period, period)
    with localcontext(CONTEXT):
        return (sum(recent, Decimal(0)) / period).quantize(PLACES)


def ema(closes: Sequence[Decimal], period: int) -> Decimal:
    """Exponential average of the last 10 * `period` of `closes`, oldest first.

    Seeded with the first SMA among them; the weight is 2 / (period + 1). By the end the seed
    counts for less than 0.000 002 %. Raises ValueError where there are too few.
    """
    recent = _last(closes, EMA_WINDOW * period, period)
    with localcontext(CONTEXT):
        average = sum(recent[:period], Decimal(0)) / period
        weight = Decimal(2) / (period + 1)
        for close in recent[period:]:
            average += weight * (close - average)
        return average.quantize(PLACES)


def _last(closes: Sequence[Decimal], count: int, period: int) -> Sequence[Decimal]:
    if period < 1:
        raise ValueError(f"period must be 1 or more, was {period}")
    if len(closes) < count:
        raise ValueError(f"period {period} needs {count} closes, got {len(closes)}")
    return closes[len(closes) - count :]
