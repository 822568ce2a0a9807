"""Performance figures of positions: one function for API, page, admin and backtest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation
from functools import reduce
from itertools import accumulate
from typing import Any

from foundation.decimals import EXACT, ZERO, plain

_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
_PLACES = Decimal("1E-8")


@dataclass(frozen=True, slots=True)
class OtherFee:
    """A fee in neither of the symbol's assets. `value` is in quote asset, None without a price."""

    asset: str
    amount: Decimal
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class PositionResult:
    """The result of one position, in quote asset.

    `invested` is what its buys cost without fees, `realised` is after fees, `unrealised` the
    value of what is held beyond its cost: 0 once closed. `closed_ms` is None while it is open.
    `fees` and `realised` know nothing of `other_fees`.
    """

    invested: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    closed_ms: int | None
    other_fees: tuple[OtherFee, ...] = ()

    @property
    def net(self) -> Decimal:
        """Realised P&L, less other fees as far as their value is known."""
        values = (fee.value for fee in self.other_fees if fee.value is not None)
        return reduce(EXACT.subtract, values, self.realised)


def unrealised(quantity: Decimal, cost: Decimal, last_price: Decimal) -> Decimal:
    """Unrealised P&L in quote asset, exactly: what selling `quantity` (base asset) at `last_price`
    would bring beyond its `cost`, before the fees of that sale.
    """
    return EXACT.subtract(EXACT.multiply(quantity, last_price), cost)


def pnl(results: Iterable[PositionResult]) -> Decimal:
    """P&L of positions that share a quote asset, realised and unrealised, after all fees."""
    gains = (gain for result in results for gain in (result.net, result.unrealised))
    return reduce(EXACT.add, gains, ZERO)


def performance(results: Sequence[PositionResult]) -> dict[str, Any]:
    """The figures of positions that share a quote asset, amounts as text in that asset.

    Ratios count closed positions alone and are None where there is nothing to divide by.
    `win_rate` is a fraction. `profit_factor` is gross profit by gross loss. `expectancy` is the
    mean P&L. `sharpe` is the mean return of a position by the standard deviation of the returns
    (sample, n - 1): per position, neither annualised nor against a risk-free rate.
    `maximum_drawdown` is the deepest the equity curve came below a peak before it. `realised`
    leaves out other fees; P&L and ratios count those whose value is known.
    """
    closed = sorted((r for r in results if r.closed_ms is not None), key=_closed_ms)
    gains = [result.net for result in closed]
    realised, held = _sum(r.realised for r in results), _sum(r.unrealised for r in results)
    equity = list(accumulate(gains, initial=ZERO))
    return {
        "positions": len(results),
        "closed": len(closed),
        "realised": plain(realised),
        "unrealised": plain(held),
        "pnl": plain(pnl(results)),
        "fees": plain(_sum(result.fees for result in results)),
        "other_fees": _other_fees(results),
        "win_rate": _ratio(Decimal(sum(gain > 0 for gain in gains)), Decimal(len(gains))),
        "profit_factor": _ratio(
            _sum(gain for gain in gains if gain > 0), -_sum(gain for gain in gains if gain < 0)
        ),
        "expectancy": _ratio(_sum(gains), Decimal(len(gains))),
        "sharpe": _sharpe(closed),
        "maximum_drawdown": plain(_drawdown(equity)),
        "equity": [
            {"time_ms": result.closed_ms, "equity": plain(value)}
            for result, value in zip(closed, equity[1:], strict=True)
        ],
    }


def _other_fees(results: Iterable[PositionResult]) -> list[dict[str, Any]]:
    """Each asset once; without a value where that of a single fee is not known."""
    fees: dict[str, OtherFee] = {}
    for fee in (fee for result in results for fee in result.other_fees):
        sofar = fees.get(fee.asset, OtherFee(fee.asset, ZERO, ZERO))
        value = None
        if sofar.value is not None and fee.value is not None:
            value = EXACT.add(sofar.value, fee.value)
        fees[fee.asset] = OtherFee(fee.asset, EXACT.add(sofar.amount, fee.amount), value)
    return [
        {
            "asset": asset,
            "amount": plain(fee.amount),
            "value": None if fee.value is None else plain(fee.value),
        }
        for asset, fee in sorted(fees.items())
    ]


def _closed_ms(result: PositionResult) -> int:
    return result.closed_ms or 0


def _sum(values: Any) -> Decimal:
    return sum(values, ZERO)


def _ratio(numerator: Decimal, denominator: Decimal) -> str | None:
    if not denominator:
        return None
    return plain(_CONTEXT.divide(numerator, denominator).quantize(_PLACES, context=_CONTEXT))


def _sharpe(closed: Sequence[PositionResult]) -> str | None:
    returns = [_CONTEXT.divide(r.net, r.invested) for r in closed if r.invested]
    if len(returns) < 2:
        return None
    mean = _CONTEXT.divide(_sum(returns), Decimal(len(returns)))
    squares = _sum(_CONTEXT.power(value - mean, 2) for value in returns)
    deviation = _CONTEXT.sqrt(_CONTEXT.divide(squares, Decimal(len(returns) - 1)))
    return _ratio(mean, deviation)


def _drawdown(equity: Sequence[Decimal]) -> Decimal:
    return max(peak - value for peak, value in zip(accumulate(equity, max), equity, strict=True))
