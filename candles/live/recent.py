"""A symbol's last ticks, as text: for Redis, for new stops, and for a successor."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from candles.live.state import KEPT_TICKS, TickRun, decode_ticks, encode_ticks
from market.ticks import Tick

LONG_RUN = KEPT_TICKS // 10  # where so many come at once, most are superseded before Redis is due


@dataclass(slots=True)
class _RecentRun:
    """Ticks that came together, encoded or not yet."""

    count: int
    ticks: Sequence[Tick] = ()
    encoded: bytes = b""

    def text(self) -> bytes:
        """A JSON array, made the first time it is asked for."""
        if self.ticks:
            self.encoded, self.ticks = encode_ticks(self.ticks), ()
        return self.encoded


class _RecentRuns:
    """Runs of ticks, oldest first, as many as KEPT_TICKS need."""

    def __init__(self) -> None:
        self.runs: deque[_RecentRun] = deque()
        self.ticks = 0

    def append(self, run: _RecentRun) -> None:
        self.runs.append(run)
        self.ticks += run.count
        while self.ticks - self.runs[0].count >= KEPT_TICKS:
            self.ticks -= self.runs.popleft().count


class RecentTicks:
    """The last KEPT_TICKS ticks, or a few more, and which of them Redis does not have.

    Short runs are encoded as they come: with hundreds of symbols, objects that are kept for later
    are out of every cache by then, and reading them costs more than folding them did. Of long ones
    most are dropped unread.
    """

    def __init__(self, symbol: str, ticks: Sequence[Tick] = ()) -> None:
        self.symbol = symbol
        self._saved = _RecentRuns()  # run by run as they stand in Redis
        self._new = _RecentRuns()
        # What was read from Redis goes back as one run, so that lengths need not be remembered.
        self.append(ticks)

    def __iter__(self) -> Iterator[Tick]:
        """Oldest first."""
        for run in chain(self._saved.runs, self._new.runs):
            yield from decode_ticks(run.text())

    def append(self, ticks: Sequence[Tick]) -> None:
        if ticks:
            newest = ticks[-KEPT_TICKS:]
            run = _RecentRun(len(newest), newest)
            self._new.append(run)
            if run.count < LONG_RUN:
                run.text()

    def drain(self) -> TickRun | None:
        """Ticks that came since the last call, for Redis; None where there are none."""
        if not self._new.runs:
            return None
        text = b"[" + b",".join(run.text()[1:-1] for run in self._new.runs) + b"]"
        self._saved.append(_RecentRun(self._new.ticks, encoded=text))
        self._new = _RecentRuns()
        return TickRun(self.symbol, text, keep=len(self._saved.runs))

    def requeue(self) -> None:
        """Take the last run back: Redis did not say that it has it, though it may.

        All go there anew, as one: the runs there can no longer be counted.
        """
        new = _RecentRuns()
        for run in chain(self._saved.runs, self._new.runs):
            new.append(run)
        self._saved, self._new = _RecentRuns(), new
