"""Faults of the trades themselves, so of the truth: streams, REST and klines follow from them."""

from collections import deque
from collections.abc import Iterator

from sandbox.data.kline_builder import KlineBuilder
from sandbox.data.source import TradeSource
from sandbox.data.tape import TradeGroup


class FaultyTrades:
    """A source whose trades may skip ids, be backdated, come late or never; in order of id always.

    Without faults it gives what its source gives.
    """

    def __init__(self, source: TradeSource) -> None:
        self.source = source
        self._earliest_ms: int | None = None  # no trade is dated back beyond it
        self._ids_skipped = self._trades_dropped = 0
        self._delayed: deque[tuple[int, TradeGroup]] = deque()  # visible from when, and what
        self.clear_faults()

    def clear_faults(self) -> None:
        """Alter nothing more. What is delayed comes now; skipped ids stay skipped."""
        self._backdated_left, self._backdate_ms = 0, 0
        self._late_from_ms = self._late_until_ms = self._delay_ms = 0
        self._delayed = deque((0, group) for _, group in self._delayed)

    def skip_ids(self, count: int) -> None:
        """From now on aggregate trades are numbered `count` higher."""
        self._ids_skipped += count

    def backdate(self, count: int, by_ms: int) -> None:
        """Date `count` aggregate trades more back, though none before the first trade."""
        self._backdated_left += count
        self._backdate_ms = by_ms

    def delay_trades(self, from_ms: int, until_ms: int, by_ms: int) -> None:
        """Show what is traded from `from_ms` on and before `until_ms` only `by_ms` later."""
        self._late_from_ms, self._late_until_ms, self._delay_ms = from_ms, until_ms, by_ms

    @property
    def next_trade_ms(self) -> int:
        return self._delayed[0][0] if self._delayed else self.source.next_trade_ms

    def load_history(self, builder: KlineBuilder) -> None:
        self.source.load_history(builder)

    def pop_due(self, now_ms: int) -> Iterator[TradeGroup]:
        delayed = self._delayed
        for group in self.source.pop_due(now_ms):
            delayed.append((self._visible_ms(group.agg.time_ms), self._apply_faults(group)))
        while delayed and delayed[0][0] <= now_ms:
            yield delayed.popleft()[1]

    def drop_due(self, now_ms: int) -> None:
        """Let what is due by `now_ms` never have been traded; ids go on without it."""
        for _, trades in self.source.pop_due(now_ms):
            self._ids_skipped -= 1
            self._trades_dropped += len(trades)
        self._earliest_ms = now_ms

    def _visible_ms(self, time_ms: int) -> int:
        late = self._late_from_ms <= time_ms < self._late_until_ms
        return time_ms + self._delay_ms if late else time_ms

    def _apply_faults(self, group: TradeGroup) -> TradeGroup:
        agg, trades = group
        if self._earliest_ms is None:
            self._earliest_ms = agg.time_ms
        if self._ids_skipped:
            agg = agg._replace(agg_id=agg.agg_id + self._ids_skipped)
        if self._trades_dropped:
            fewer = self._trades_dropped
            agg = agg._replace(first_id=agg.first_id - fewer, last_id=agg.last_id - fewer)
            trades = [trade._replace(trade_id=trade.trade_id - fewer) for trade in trades]
        if self._backdated_left:
            self._backdated_left -= 1
            time_ms = max(self._earliest_ms, agg.time_ms - self._backdate_ms)
            agg = agg._replace(time_ms=time_ms)
            trades = [trade._replace(time_ms=time_ms) for trade in trades]
        return TradeGroup(agg, trades)
