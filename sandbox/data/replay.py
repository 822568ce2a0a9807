"""Recorded trades played again: ids, prices and quantities as they were, times moved to now.

All files move by the same shift: the start of the minute that holds the earliest trade falls
on the next whole minute from now. `speed` compresses what follows, in whole milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from sandbox.clock import MINUTE_MS, NEVER_MS
from sandbox.data.kline_builder import KlineBuilder
from sandbox.data.recordings import Recording
from sandbox.data.tape import TradeGroup


@dataclass(frozen=True, slots=True)
class TimeShift:
    """From recorded time to time played: `base_ms + (time - from_ms) / speed`, floored."""

    from_ms: int
    base_ms: int
    speed: Fraction

    def __call__(self, time_ms: int) -> int:
        past = (time_ms - self.from_ms) * self.speed.denominator
        return self.base_ms + past // self.speed.numerator


def time_shift(recordings: list[Recording], now_ms: int, speed: Fraction) -> TimeShift:
    """The shift that all recordings share, from the earliest trade of any."""
    earliest = min(recording.first_ms for recording in recordings)
    next_minute = (now_ms // MINUTE_MS + 1) * MINUTE_MS
    return TimeShift(earliest // MINUTE_MS * MINUTE_MS, next_minute, speed)


class Replay:
    """A source of one symbol's recorded trades."""

    def __init__(self, recording: Recording, shift: TimeShift) -> None:
        self.groups = recording.groups
        self.shift = shift
        self.position = 0

    @property
    def next_trade_ms(self) -> int:
        if self.position == len(self.groups):
            return NEVER_MS
        return self.shift(self.groups[self.position].agg.time_ms)

    def load_history(self, builder: KlineBuilder) -> None:
        """There is none before the first recorded trade, as after a testnet reset."""

    def pop_due(self, now_ms: int) -> Iterator[TradeGroup]:
        while (time_ms := self.next_trade_ms) <= now_ms:
            agg, trades = self.groups[self.position]
            self.position += 1
            moved = [trade._replace(time_ms=time_ms) for trade in trades]
            yield TradeGroup(agg._replace(time_ms=time_ms), moved)
