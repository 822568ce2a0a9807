"""Sums over closed positions that share a quote asset: all that their figures are made of, kept so
that one more position costs the same however many came before.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation
from typing import Any

from foundation.decimals import EXACT, ZERO, plain

MAX_POINTS = 500  # of an equity curve
# Returns are rounded to 60 digits. Their squares are kept whole, for the deviation is a small
# difference between large sums of them.
RATIOS = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
SQUARES = Context(prec=150, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
NO_DEVIATION = Decimal("1e-50")  # what rounding leaves of equal returns is no variance

Point = tuple[int, Decimal]  # milliseconds since the epoch, equity


@dataclass
class Curve:
    """An equity curve of at most MAX_POINTS and its last one: every so manieth point, beginning
    with the first.
    """

    points: list[Point] = field(default_factory=list)
    stride: int = 1

    def add_point(self, number: int, point: Point) -> None:
        """Take the point of that number, counted from 0."""
        if number % self.stride:
            return
        self.points.append(point)
        if len(self.points) > MAX_POINTS:
            self.points, self.stride = self.points[::2], self.stride * 2


@dataclass
class ClosedSums:
    """Sums over closed positions, in the order in which they closed; amounts in quote asset."""

    closed: int = 0
    wins: int = 0
    returns: int = 0
    last_ms: int = 0
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    equity: Decimal = ZERO
    peak: Decimal = ZERO
    drawdown: Decimal = ZERO
    return_sum: Decimal = ZERO
    square_sum: Decimal = ZERO
    curve: Curve = field(default_factory=Curve)

    def add_position(
        self, net: Decimal, realised: Decimal, fees: Decimal, invested: Decimal, closed_ms: int
    ) -> None:
        """Add the next position to close; `net` is `realised` less its other fees."""
        self.realised, self.fees = EXACT.add(self.realised, realised), EXACT.add(self.fees, fees)
        self.wins += net > 0
        if net > 0:
            self.gross_profit = EXACT.add(self.gross_profit, net)
        else:
            self.gross_loss = EXACT.subtract(self.gross_loss, net)
        self.equity = EXACT.add(self.equity, net)
        self.peak = max(self.peak, self.equity)
        self.drawdown = max(self.drawdown, EXACT.subtract(self.peak, self.equity))
        if invested:
            self._add_return(RATIOS.divide(net, invested))
        self.curve.add_point(self.closed, (closed_ms, self.equity))
        self.closed, self.last_ms = self.closed + 1, closed_ms

    def _add_return(self, part: Decimal) -> None:
        self.returns += 1
        self.return_sum = SQUARES.add(self.return_sum, part)
        self.square_sum = SQUARES.add(self.square_sum, SQUARES.multiply(part, part))

    @property
    def sharpe(self) -> tuple[Decimal, Decimal] | None:
        """Mean and standard deviation (sample, n - 1) of the returns; None where it has none."""
        if self.returns < 2:
            return None
        count = Decimal(self.returns)
        mean = SQUARES.divide(self.return_sum, count)
        squares = SQUARES.subtract(self.square_sum, SQUARES.multiply(mean, self.return_sum))
        variance = SQUARES.divide(squares, count - 1)
        return None if variance < NO_DEVIATION else (mean, RATIOS.sqrt(variance))

    @property
    def points(self) -> list[Point]:
        """The curve's points, the last one always among them."""
        last = (self.last_ms, self.equity)
        kept = self.curve.points
        return kept if not self.closed or kept[-1] == last else [*kept, last]

    def copy(self) -> "ClosedSums":
        """Sums of their own, to which others can be added."""
        copied = copy(self)
        copied.curve = Curve(list(self.curve.points), self.curve.stride)
        return copied

    def as_json(self) -> dict[str, Any]:
        numbers = {
            name: plain(value) if isinstance(value, Decimal) else value
            for name, value in vars(self).items()
            if name != "curve"
        }
        points = [[time_ms, plain(equity)] for time_ms, equity in self.curve.points]
        return {**numbers, "stride": self.curve.stride, "points": points}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ClosedSums":
        points = [(time_ms, Decimal(equity)) for time_ms, equity in stored["points"]]
        values: dict[str, Any] = {
            name: Decimal(value) if isinstance(value, str) else value
            for name, value in stored.items()
            if name not in ("stride", "points")
        }
        return cls(**values, curve=Curve(points, stored["stride"]))
