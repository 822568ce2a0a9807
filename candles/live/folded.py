"""Outcome of folding: what closed, which ticks went in, which came late."""

import msgspec

from candles.ohlcv import OHLCV
from market.ticks import Tick


class Folded(msgspec.Struct):
    """Outcome of one pass: candles that closed, ticks that were folded, and those of them
    whose candle had closed before.
    """

    closed: list[OHLCV] = []
    ticks: list[Tick] = []
    late: list[Tick] = []

    def merge(self, later: "Folded") -> "Folded":
        """Both outcomes as that of one pass."""
        return Folded(self.closed + later.closed, self.ticks + later.ticks, self.late + later.late)


NOTHING = Folded()
