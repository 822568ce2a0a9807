"""Sources of a symbol's public trades."""

from collections.abc import Iterable
from typing import Protocol

from sandbox.clock import NEVER_MS
from sandbox.data.kline_builder import KlineBuilder
from sandbox.data.tape import TradeGroup


class TradeSource(Protocol):
    """A source of one symbol's trades: drawn at random or recorded."""

    @property
    def next_trade_ms(self) -> int:
        """Time of the next trade that is still to come."""

    def load_history(self, builder: KlineBuilder) -> None:
        """Give the builder the klines from before the first trade, if there are any."""

    def pop_due(self, now_ms: int) -> Iterable[TradeGroup]:
        """Trades up to and including `now_ms` that were not handed out before, in order of id."""


class NoTrades:
    """The source of a symbol that is listed but not trading."""

    next_trade_ms = NEVER_MS

    def load_history(self, builder: KlineBuilder) -> None:
        """There is none."""

    def pop_due(self, now_ms: int) -> Iterable[TradeGroup]:
        return ()
