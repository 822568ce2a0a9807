"""A market's trades as faults alter them before anybody sees them, the tape included.

What comes out here is the truth: streams, REST and klines all follow from it.
"""

from collections import deque
from collections.abc import Iterator

from sandbox.data.kline_builder import Chart
from sandbox.data.source import Source
from sandbox.data.tape import Print


class Altered:
    """A source whose prints may be numbered on, dated back, or come late; in order of id always.

    Until told otherwise it gives what its source gives.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._begin_ms: int | None = None  # time of the first trade ever
        self._ids_skipped = 0
        self._waiting: deque[tuple[int, Print]] = deque()  # visible from when, and what
        self.end()

    def end(self) -> None:
        """Alter nothing more. What waits comes now; ids that nobody has stay so."""
        self._back, self._back_ms = 0, 0
        self._late_from_ms = self._late_until_ms = self._delay_ms = 0
        self._waiting = deque((0, printed) for _, printed in self._waiting)

    def leave_hole(self, count: int) -> None:
        """From now on aggregate trades are numbered `count` higher."""
        self._ids_skipped += count

    def date_back(self, count: int, by_ms: int) -> None:
        """Give `count` prints more an earlier time, though none before the first trade."""
        self._back += count
        self._back_ms = by_ms

    def delay(self, from_ms: int, until_ms: int, by_ms: int) -> None:
        """Show what is traded in a span of time, `until_ms` excluded, only later."""
        self._late_from_ms, self._late_until_ms, self._delay_ms = from_ms, until_ms, by_ms

    @property
    def due_ms(self) -> int:
        return self._waiting[0][0] if self._waiting else self.source.due_ms

    def history(self, chart: Chart) -> None:
        self.source.history(chart)

    def take(self, now_ms: int) -> Iterator[Print]:
        waiting = self._waiting
        for printed in self.source.take(now_ms):
            waiting.append((self._visible_ms(printed.agg.time_ms), self._altered(printed)))
        while waiting and waiting[0][0] <= now_ms:
            yield waiting.popleft()[1]

    def _visible_ms(self, time_ms: int) -> int:
        late = self._late_from_ms <= time_ms < self._late_until_ms
        return time_ms + self._delay_ms if late else time_ms

    def _altered(self, printed: Print) -> Print:
        agg, trades = printed
        if self._begin_ms is None:
            self._begin_ms = agg.time_ms
        if self._ids_skipped:
            agg = agg._replace(agg_id=agg.agg_id + self._ids_skipped)
        if self._back:
            self._back -= 1
            time_ms = max(self._begin_ms, agg.time_ms - self._back_ms)
            agg = agg._replace(time_ms=time_ms)
            trades = [trade._replace(time_ms=time_ms) for trade in trades]
        return Print(agg, trades)
