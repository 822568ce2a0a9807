"""Klines of every interval, built from trades. Source: protocol C.

Each interval is built from a shorter one (`BUILT_FROM`), so a trade touches one kline only.
A trade may come after its time's kline was closed; then all klines it belongs to are amended.
"""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from sandbox.data.closed_klines import ClosedKlines
from sandbox.data.klines import INTERVALS, MONTH, Kline, flat_kline, interval_bounds
from sandbox.data.tape import Tape, Trade, is_within

BUILT_FROM = {
    "1m": "1s",
    "3m": "1m",
    "5m": "1m",
    "15m": "5m",
    "30m": "15m",
    "1h": "30m",
    "2h": "1h",
    "4h": "1h",
    "6h": "1h",
    "8h": "1h",
    "12h": "1h",
    "1d": "1h",
    "3d": "1d",
    "1w": "1d",
    MONTH: "1d",
}
PART_OF: dict[str, list[str]] = defaultdict(list)
for _longer, _shorter in BUILT_FROM.items():
    PART_OF[_shorter].append(_longer)


class ClosedKline(NamedTuple):
    """A kline whose time is over, as it was when that was found."""

    interval: str
    kline: Kline


class KlineBuilder:
    """All klines of one symbol, from its first trade on without a hole; the last of them kept."""

    def __init__(self) -> None:
        self.closed = {interval: ClosedKlines() for interval in INTERVALS}
        self._forming: dict[str, Kline] = {}  # by interval; without the shorter one's own

    def add_trade(self, trade: Trade) -> list[ClosedKline]:
        """Add one trade; returns the klines that its time proves to be over, shortest first."""
        closed = self.advance(trade.time_ms)
        second = self._forming.get("1s")
        if second is None:
            second = self._forming["1s"] = flat_kline("1s", trade.time_ms, trade.price)
        if trade.time_ms < second.open_ms:
            self._amend_closed("1s", trade)
        else:
            second.add_trade(trade)
        return closed

    def _amend_closed(self, interval: str, trade: Trade) -> None:
        """Add a trade that comes too late to its closed klines, up to the first still forming."""
        rows, following = self.closed[interval], self._forming.get(interval)
        rows.amend(trade)
        if following and not following.count and rows.last_close is not None:
            following.set_all_prices(rows.last_close)
        for longer in PART_OF[interval]:
            whole = self._forming.get(longer)
            if whole and whole.open_ms <= trade.time_ms:
                whole.add_trade(trade)
            else:
                self._amend_closed(longer, trade)

    def advance(self, now_ms: int) -> list[ClosedKline]:
        """Close every interval that has ended by `now_ms`, traded in or not."""
        closed: list[ClosedKline] = []
        while (second := self._forming.get("1s")) and second.end_ms <= now_ms:
            closed += self.close_kline("1s", second)
            self._forming["1s"] = flat_kline("1s", second.end_ms, second.close)
        return closed

    def skip_to(self, now_ms: int) -> None:
        """Go on at `now_ms` after a time that has no klines: end those that were begun before."""
        second = self._forming.get("1s")
        if second is None or second.end_ms > now_ms:
            return
        for interval in INTERVALS:
            kline = self._forming.get(interval)
            if kline and kline.end_ms <= now_ms:
                del self._forming[interval]
                self.close_kline(interval, kline)
        self._forming["1s"] = flat_kline("1s", now_ms, second.close)

    def close_kline(self, interval: str, kline: Kline) -> list[ClosedKline]:
        """Keep a finished kline and merge it into the longer intervals it is part of."""
        self.closed[interval].append(kline)
        closed = [ClosedKline(interval, kline)]
        for longer in PART_OF[interval]:
            if longer not in self._forming:
                self._forming[longer] = self._new_kline(longer, kline.open_ms, kline.open)
            whole = self._forming[longer]
            whole.merge(kline)
            if whole.end_ms == kline.end_ms:
                del self._forming[longer]
                closed += self.close_kline(longer, whole)
        return closed

    def _new_kline(self, interval: str, time_ms: int, price: Decimal) -> Kline:
        """A kline yet without trades: at the close before it; at `price` where there is none."""
        before = self.closed[interval].last_close
        return flat_kline(interval, time_ms, price if before is None else before)

    def forming(self, interval: str) -> Kline | None:
        """A copy of the forming kline with all its trades; None before the first trade."""
        shorter = BUILT_FROM.get(interval)
        below = self.forming(shorter) if shorter else None
        here = self._forming.get(interval)
        if here is None:
            if below is None:
                return None
            here = self._new_kline(interval, below.open_ms, below.open)
        whole = replace(here)
        if below:
            whole.merge(below)
        return whole

    def select(
        self, interval: str, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Kline]:
        """Klines by open time, both ends included, the forming one last.

        The oldest from a start, else the newest up to an end.
        """
        rows = self.closed[interval]
        forming = self.forming(interval)
        start = 0 if start_ms is None else rows.count_before(start_ms)
        end = len(rows) if end_ms is None else rows.count_before(end_ms, inclusive=True)
        if start_ms is None:
            start = max(0, end - limit)
        found = rows[start : min(end, start + limit)]
        if forming and end == len(rows) and is_within(forming.open_ms, start_ms, end_ms):
            found.append(forming)
        return found[:limit] if start_ms is not None else found[-limit:]

    def kline_as_of(self, interval: str, time_ms: int, tape: Tape, price: Decimal) -> Kline:
        """The kline that holds `time_ms`, of the trades up to then only.

        Without trades it is at the close before it, at `price` where there is none.
        """
        rows, whole = self.closed[interval], flat_kline(interval, time_ms, price)
        position = rows.count_before(whole.open_ms)
        for before in rows[max(0, position - 1) : position]:
            whole.set_all_prices(before.close)
        shorter = BUILT_FROM.get(interval)
        if shorter is None:
            for trade in tape.between(tape.trades, whole.open_ms, time_ms, len(tape.trades)):
                whole.add_trade(trade)
            return whole
        below, open_ms = self.closed[shorter], interval_bounds(shorter, time_ms)[0]
        for part in below[below.count_before(whole.open_ms) : below.count_before(open_ms)]:
            whole.merge(part)
        whole.merge(self.kline_as_of(shorter, time_ms, tape, price))
        return whole
