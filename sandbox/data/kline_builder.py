"""Trades folded into klines of every interval. Source: protocol C.

Each interval is folded from a shorter one (`FOLDED_FROM`), so a trade touches one kline only.
A trade may come after its time's kline was closed; then all klines it belongs to are amended.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from sandbox.data.klines import INTERVALS, MONTH, Kline, flat, span
from sandbox.data.tape import Tape, Trade, within

FOLDED_FROM = {
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
FOLDS_INTO: dict[str, list[str]] = defaultdict(list)
for _longer, _shorter in FOLDED_FROM.items():
    FOLDS_INTO[_shorter].append(_longer)

KEEP = 4_000  # closed klines of each interval; a fourth more before the oldest are dropped


class Archive:
    """Closed klines of one interval, oldest first, packed: there are thousands a symbol.

    A kline as an object takes a kilobyte, as text a tenth of that and nothing of the
    garbage collector's time.
    """

    def __init__(self) -> None:
        self._opens = array("q")
        self._packed: list[bytes] = []
        self.last_close: Decimal | None = None

    def __len__(self) -> int:
        return len(self._packed)

    def append(self, kline: Kline) -> None:
        self._opens.append(kline.open_ms)
        self._packed.append(_packed(kline))
        self.last_close = kline.close
        if len(self._packed) > KEEP * 5 // 4:
            del self._opens[:-KEEP], self._packed[:-KEEP]

    def place(self, time_ms: int, after: bool = False) -> int:
        """How many klines open before `time_ms`, or not after it."""
        return (bisect_right if after else bisect_left)(self._opens, time_ms)

    def __getitem__(self, places: slice) -> list[Kline]:
        return [_unpacked(packed) for packed in self._packed[places]]

    def amend(self, trade: Trade) -> None:
        """Take a trade into the kline of its time, unless that is long forgotten.

        Klines without trades that follow have the close before them, so they change with it.
        """
        place = self.place(trade.time_ms, after=True) - 1
        if place < 0:
            return
        kline = _unpacked(self._packed[place])
        kline.add(trade)
        self._packed[place] = _packed(kline)
        for later in range(place + 1, len(self)):
            empty = _unpacked(self._packed[later])
            if empty.count:
                return
            empty.level(kline.close)
            self._packed[later] = _packed(empty)
        self.last_close = kline.close


def _packed(k: Kline) -> bytes:
    money = f"{k.open} {k.high} {k.low} {k.close} {k.volume} {k.quote}"
    taker = f"{k.taker_volume} {k.taker_quote} {k.count} {k.first_id} {k.last_id}"
    return f"{k.open_ms} {k.end_ms} {money} {taker}".encode()


def _unpacked(packed: bytes) -> Kline:
    cells = packed.decode().split(" ")
    opened, high, low, close, volume, quote, taker, taker_quote = map(Decimal, cells[2:10])
    return Kline(
        open_ms=int(cells[0]),
        end_ms=int(cells[1]),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        quote=quote,
        taker_volume=taker,
        taker_quote=taker_quote,
        count=int(cells[10]),
        first_id=int(cells[11]),
        last_id=int(cells[12]),
    )


class Closed(NamedTuple):
    """A kline whose time is over, as it was when that was found."""

    interval: str
    kline: Kline


class Chart:
    """All klines of one symbol, from its first trade on without a hole; the last of them kept."""

    def __init__(self) -> None:
        self.closed = {interval: Archive() for interval in INTERVALS}
        self._open: dict[str, Kline] = {}  # per interval, what closed klines below gave it

    def add(self, trade: Trade) -> list[Closed]:
        """Fold one trade in; returns what its time proves to be over, shortest first."""
        closed = self.advance(trade.time_ms)
        second = self._open.get("1s")
        if second is None:
            second = self._open["1s"] = flat("1s", trade.time_ms, trade.price)
        if trade.time_ms < second.open_ms:
            self._amend("1s", trade)
        else:
            second.add(trade)
        return closed

    def _amend(self, interval: str, trade: Trade) -> None:
        """Put a trade that comes too late where it belongs, up to the first kline still open."""
        rows, following = self.closed[interval], self._open.get(interval)
        rows.amend(trade)
        if following and not following.count and rows.last_close is not None:
            following.level(rows.last_close)
        for longer in FOLDS_INTO[interval]:
            whole = self._open.get(longer)
            if whole and whole.open_ms <= trade.time_ms:
                whole.add(trade)
            else:
                self._amend(longer, trade)

    def advance(self, now_ms: int) -> list[Closed]:
        """Close every interval that has ended by `now_ms`, traded in or not."""
        closed: list[Closed] = []
        while (second := self._open.get("1s")) and second.end_ms <= now_ms:
            closed += self.close("1s", second)
            self._open["1s"] = flat("1s", second.end_ms, second.close)
        return closed

    def close(self, interval: str, kline: Kline) -> list[Closed]:
        """File a finished kline and hand it up to the longer intervals it is part of."""
        self.closed[interval].append(kline)
        closed = [Closed(interval, kline)]
        for longer in FOLDS_INTO[interval]:
            if longer not in self._open:
                self._open[longer] = self._empty(longer, kline.open_ms, kline.open)
            whole = self._open[longer]
            whole.absorb(kline)
            if whole.end_ms == kline.end_ms:
                del self._open[longer]
                closed += self.close(longer, whole)
        return closed

    def _empty(self, interval: str, time_ms: int, price: Decimal) -> Kline:
        """A kline yet without trades: at the close before it; at `price` where there is none."""
        before = self.closed[interval].last_close
        return flat(interval, time_ms, price if before is None else before)

    def forming(self, interval: str) -> Kline | None:
        """A copy of the open kline with all its trades so far; None before the first trade."""
        shorter = FOLDED_FROM.get(interval)
        below = self.forming(shorter) if shorter else None
        here = self._open.get(interval)
        if here is None:
            if below is None:
                return None
            here = self._empty(interval, below.open_ms, below.open)
        whole = replace(here)
        if below:
            whole.absorb(below)
        return whole

    def rows(
        self, interval: str, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Kline]:
        """Klines by open time, both ends included, the open one last.

        The oldest from a start, else the newest up to an end.
        """
        rows = self.closed[interval]
        forming = self.forming(interval)
        start = 0 if start_ms is None else rows.place(start_ms)
        end = len(rows) if end_ms is None else rows.place(end_ms, after=True)
        if start_ms is None:
            start = max(0, end - limit)
        found = rows[start : min(end, start + limit)]
        if forming and end == len(rows) and within(forming.open_ms, start_ms, end_ms):
            found.append(forming)
        return found[:limit] if start_ms is not None else found[-limit:]

    def as_of(self, interval: str, time_ms: int, tape: Tape, price: Decimal) -> Kline:
        """The kline that holds `time_ms`, of the trades up to then only.

        Where nothing was traded before, `price` is what it is at without trades.
        """
        rows, whole = self.closed[interval], flat(interval, time_ms, price)
        place = rows.place(whole.open_ms)
        for before in rows[max(0, place - 1) : place]:
            whole.level(before.close)
        shorter = FOLDED_FROM.get(interval)
        if shorter is None:
            for trade in tape.between(tape.trades, whole.open_ms, time_ms, len(tape.trades)):
                whole.add(trade)
            return whole
        below, open_ms = self.closed[shorter], span(shorter, time_ms)[0]
        for part in below[below.place(whole.open_ms) : below.place(open_ms)]:
            whole.absorb(part)
        whole.absorb(self.as_of(shorter, time_ms, tape, price))
        return whole
