"""Performance figures of positions: one function for API, page, admin and backtest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Any

from foundation.decimals import EXACT, ZERO, plain, total
from orders.core.sums import RATIOS, ClosedSums

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
    return total(gain for result in results for gain in (result.net, result.unrealised))


def performance(
    results: Sequence[PositionResult], before: ClosedSums | None = None
) -> dict[str, Any]:
    """The figures of positions that share a quote asset, amounts as text in that asset.

    `before` holds the sums of positions that closed before all of `results` did, and that paid no
    other fees. Ratios count closed positions alone and are None where there is nothing to divide
    by. `win_rate` is a fraction. `profit_factor` is gross profit by gross loss. `expectancy` is the
    mean P&L. `sharpe` is the mean return of a position by the standard deviation of the returns
    (sample, n - 1): per position, neither annualised nor against a risk-free rate.
    `maximum_drawdown` is the deepest the equity curve came below a peak before it; the curve is
    thinned to MAX_POINTS points. `realised` leaves out other fees; P&L and ratios count those whose
    value is known.
    """
    before = before or ClosedSums()
    sums = before.copy()
    for result in sorted((r for r in results if r.closed_ms is not None), key=_closed_ms):
        sums.add_position(
            result.net, result.realised, result.fees, result.invested, _closed_ms(result)
        )
    still = [result for result in results if result.closed_ms is None]
    held = total(result.unrealised for result in results)
    return {
        "positions": before.closed + len(results),
        "closed": sums.closed,
        "realised": plain(total([sums.realised, *(result.realised for result in still)])),
        "unrealised": plain(held),
        "pnl": plain(total([sums.equity, held, *(result.net for result in still)])),
        "fees": plain(total([sums.fees, *(result.fees for result in still)])),
        "other_fees": _other_fees(results),
        "win_rate": _ratio(Decimal(sums.wins), Decimal(sums.closed)),
        "profit_factor": _ratio(sums.gross_profit, sums.gross_loss),
        "expectancy": _amount(sums.equity, Decimal(sums.closed)),
        "sharpe": None if sums.sharpe is None else _ratio(*sums.sharpe),
        "maximum_drawdown": plain(sums.drawdown),
        "equity": [{"time_ms": at_ms, "equity": plain(value)} for at_ms, value in sums.points],
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


def _ratio(numerator: Decimal, denominator: Decimal) -> str | None:
    if not denominator:
        return None
    return plain(RATIOS.divide(numerator, denominator).quantize(_PLACES, context=RATIOS))


def _amount(numerator: Decimal, denominator: Decimal) -> str | None:
    """A quotient that is money: to eight places, and four digits where that is less."""
    if not denominator:
        return None
    value = RATIOS.divide(numerator, denominator)
    places = max(8, 3 - value.adjusted()) if value else 8
    return plain(value.quantize(Decimal(1).scaleb(-places), context=RATIOS))
