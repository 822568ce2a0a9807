"""Sources of a symbol's public trades."""

from collections.abc import Iterable
from typing import Protocol

from sandbox.clock import NEVER_MS
from sandbox.data.kline_builder import Chart
from sandbox.data.tape import Print


class Source(Protocol):
    """Where trades come from: drawn at random or recorded."""

    @property
    def due_ms(self) -> int:
        """When the next trade happens."""

    def history(self, chart: Chart) -> None:
        """Klines from before the first trade, if any."""

    def take(self, now_ms: int) -> Iterable[Print]:
        """Trades up to and including `now_ms` that were not taken before, in order of id."""


class Silent:
    """The source of a symbol that is listed but not trading."""

    due_ms = NEVER_MS

    def history(self, chart: Chart) -> None:
        """There is none."""

    def take(self, now_ms: int) -> Iterable[Print]:
        return ()
