"""A symbol's last ticks, as text: for Redis, for new stops, and for a successor."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from candles.live.state import KEPT_TICKS, TickRun, decode_ticks, encode_ticks
from market.ticks import Tick


class _TickText(NamedTuple):
    text: bytes  # a JSON array
    ticks: int


class _TickTexts:
    """Runs of ticks, oldest first, as many as KEPT_TICKS need."""

    def __init__(self) -> None:
        self.runs: deque[_TickText] = deque()
        self.ticks = 0

    def append(self, run: _TickText) -> None:
        self.runs.append(run)
        self.ticks += run.ticks
        while self.ticks - self.runs[0].ticks >= KEPT_TICKS:
            self.ticks -= self.runs.popleft().ticks


class RecentTicks:
    """The last KEPT_TICKS ticks, or a few more, and which of them Redis does not have.

    They are written down as they come, while they are at hand: with hundreds of symbols, objects
    that are kept for later are out of every cache by then, and reading them costs more than
    folding them did.
    """

    def __init__(self, symbol: str, ticks: Sequence[Tick] = ()) -> None:
        self.symbol = symbol
        self._saved = _TickTexts()  # run by run as they stand in Redis
        self._new = _TickTexts()
        # What was read from Redis goes back as one run, so that lengths need not be remembered.
        self.append(ticks)

    def __iter__(self) -> Iterator[Tick]:
        """Oldest first."""
        for run in chain(self._saved.runs, self._new.runs):
            yield from decode_ticks(run.text)

    def append(self, ticks: Sequence[Tick]) -> None:
        if ticks:
            newest = ticks[-KEPT_TICKS:]
            self._new.append(_TickText(encode_ticks(newest), len(newest)))

    def drain(self) -> TickRun | None:
        """Ticks that came since the last call, for Redis; None where there are none."""
        if not self._new.runs:
            return None
        text = b"[" + b",".join(run.text[1:-1] for run in self._new.runs) + b"]"
        self._saved.append(_TickText(text, self._new.ticks))
        self._new = _TickTexts()
        return TickRun(self.symbol, text, keep=len(self._saved.runs))

    def requeue(self) -> None:
        """Take the last run back: Redis did not say that it has it, though it may.

        All go there anew, as one: the runs there can no longer be counted.
        """
        new = _TickTexts()
        for run in chain(self._saved.runs, self._new.runs):
            new.append(run)
        self._saved, self._new = _TickTexts(), new
