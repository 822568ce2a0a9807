"""Windows of candles: the ones that each strategy is to evaluate now."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

from django.conf import settings

from candles.events import ClosedCandle
from candles.intervals import INTERVALS_MS
from candles.models import Candle
from foundation.times import now_ms, to_ms
from market.queries import followed
from strategies import queries
from strategies.models import Key, Strategy

# Candles of a series evaluated in one transaction; a longer absence is caught up with in several.
MAX_CANDLES_AT_ONCE = 500


class CandleClose(NamedTuple):
    """The close of a candle, by the candle's key: the database has the rest.

    With it, of one that has just closed, when its cause was traded and received, and when it
    stood in the database: milliseconds.
    """

    symbol_id: int
    interval: str
    open_ms: int
    traded_ms: int | None = None
    received_ms: int | None = None
    closed_ms: int | None = None

    @classmethod
    def from_candle(cls, candle: Candle) -> "CandleClose":
        return cls(candle.symbol_id, candle.interval, to_ms(candle.open_time))

    @classmethod
    def from_closed(cls, closed: ClosedCandle) -> "CandleClose":
        """The close of a candle that has just closed."""
        close = cls.from_candle(closed.candle)._replace(closed_ms=now_ms())
        if closed.cause is None:
            return close
        traded_ms, received_ms = closed.cause.traded_ms, closed.cause.received_ms
        return close._replace(traded_ms=traded_ms, received_ms=received_ms)


@dataclass(frozen=True, slots=True)
class Window:
    """The candles of one series that one strategy evaluates now, first and last by open time.

    They lead up to the `target`, which an absence may put out of reach for now.
    """

    strategy: Strategy
    symbol_id: int
    interval: str
    first_ms: int
    last_ms: int
    target: CandleClose

    @property
    def target_ms(self) -> int:
        return self.target.open_ms

    def advanced_to(self, offset_ms: int) -> "Window":
        """The window that is left once the candle of `offset_ms` is evaluated."""
        first = offset_ms + self.interval_ms
        last = min(self.target_ms, first + (MAX_CANDLES_AT_ONCE - 1) * self.interval_ms)
        return replace(self, first_ms=first, last_ms=last)

    @property
    def key(self) -> Key:
        return self.strategy.pk, self.symbol_id, self.interval

    @property
    def interval_ms(self) -> int:
        return INTERVALS_MS[self.interval]

    @property
    def needed(self) -> int:
        """The number of closes for one evaluation."""
        return self.strategy.rule.history_needed(self.strategy.parameters)

    @property
    def history_ms(self) -> int:
        """Open time of the oldest candle that counts."""
        return self.first_ms - (self.needed - 1) * self.interval_ms


def interval_of(strategy: Strategy) -> str:
    """The interval that a strategy trades: its own, or else the first of INTERVALS."""
    return strategy.interval or str(settings.INTERVALS[0])


def enabled_strategies() -> dict[Strategy, set[int]]:
    """Each with the symbols that it names; one that names none trades every followed one.

    Read for every candle, so that what is changed in the admin or by API governs the next one.
    """
    named: dict[Strategy, set[int]] = {}
    for strategy, symbol_id in queries.enabled_strategies():
        named.setdefault(strategy, set())
        if symbol_id is not None:
            named[strategy].add(symbol_id)
    return named


def windows_of(closed: Iterable[CandleClose]) -> list[Window]:
    """The newest of these candles in each series, for every strategy that evaluates it."""
    ordered = sorted(closed, key=attrgetter("open_ms"))
    newest = {(one.symbol_id, one.interval): one for one in ordered}
    trading = followed({symbol_id for symbol_id, _ in newest})
    strategies = enabled_strategies()
    return [
        Window(strategy, symbol_id, interval, one.open_ms, one.open_ms, one)
        for (symbol_id, interval), one in newest.items()
        if symbol_id in trading
        for strategy, named in strategies.items()
        if interval == interval_of(strategy) and (not named or symbol_id in named)
    ]
