"""Trades folded into klines of every interval. Source: protocol C.

Each interval is folded from a shorter one (`FOLDED_FROM`), so a trade touches one kline only.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from sandbox.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from sandbox.tape import Trade

INTERVAL_MS = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}
MONTH = "1M"
INTERVALS = (*INTERVAL_MS, MONTH)
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

MONDAY_MS = 4 * DAY_MS  # the epoch was a Thursday; weeks open on Monday
ZERO = Decimal(0)
KEEP = 4_000  # closed klines of each interval; a fourth more before the oldest are dropped


def span(interval: str, time_ms: int) -> tuple[int, int]:
    """Open time and end (excluded) of the interval that holds `time_ms`, in ms."""
    if interval == MONTH:
        return _month(time_ms)
    length = INTERVAL_MS[interval]
    shift = MONDAY_MS if interval == "1w" else 0
    open_ms = (time_ms - shift) // length * length + shift
    return open_ms, open_ms + length


def _month(time_ms: int) -> tuple[int, int]:
    day = datetime.fromtimestamp(time_ms // 1000, UTC)
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    following = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) * 1000, int(following.timestamp()) * 1000


@dataclass(slots=True)
class Kline:
    """Open, high, low, close and volumes of the trades in [open_ms, end_ms).

    Without trades `count` is 0, both ids are -1 and all four prices the previous close.
    """

    open_ms: int
    end_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    taker_volume: Decimal = ZERO
    taker_quote: Decimal = ZERO
    count: int = 0
    first_id: int = -1
    last_id: int = -1

    def add(self, trade: Trade) -> None:
        price = trade.price
        if not self.count:
            self.open = self.high = self.low = price
            self.first_id = trade.trade_id
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        quote = trade.quote
        self.volume += trade.quantity
        self.quote += quote
        if not trade.buyer_maker:
            self.taker_volume += trade.quantity
            self.taker_quote += quote
        self.count += 1
        self.last_id = trade.trade_id

    def absorb(self, later: "Kline") -> None:
        """Take in a kline that lies inside this one and after all it already holds."""
        if not later.count:
            return
        if not self.count:
            self.open, self.high, self.low = later.open, later.high, later.low
            self.first_id = later.first_id
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote += later.quote
        self.taker_volume += later.taker_volume
        self.taker_quote += later.taker_quote
        self.count += later.count
        self.last_id = later.last_id


def flat(interval: str, time_ms: int, price: Decimal) -> Kline:
    """The kline of an interval in which nothing was traded yet."""
    open_ms, end_ms = span(interval, time_ms)
    return Kline(open_ms, end_ms, price, price, price, price)


class Archive:
    """Closed klines of one interval, oldest first, packed: there are thousands a symbol.

    A kline as an object takes a kilobyte, as text a tenth of that and nothing of the
    garbage collector's time.
    """

    def __init__(self) -> None:
        self._opens = array("q")
        self._packed: list[bytes] = []

    def __len__(self) -> int:
        return len(self._packed)

    def append(self, kline: Kline) -> None:
        self._opens.append(kline.open_ms)
        self._packed.append(_packed(kline))
        if len(self._packed) > KEEP * 5 // 4:
            del self._opens[:-KEEP], self._packed[:-KEEP]

    def place(self, time_ms: int, after: bool = False) -> int:
        """How many klines open before `time_ms`, or not after it."""
        return (bisect_right if after else bisect_left)(self._opens, time_ms)

    def __getitem__(self, places: slice) -> list[Kline]:
        return [_unpacked(packed) for packed in self._packed[places]]


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
    """A kline that can no longer change."""

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
        if "1s" not in self._open:
            self._open["1s"] = flat("1s", trade.time_ms, trade.price)
        self._open["1s"].add(trade)
        return closed

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
            whole = self._open.setdefault(longer, flat(longer, kline.open_ms, kline.open))
            whole.absorb(kline)
            if whole.end_ms == kline.end_ms:
                del self._open[longer]
                closed += self.close(longer, whole)
        return closed

    def forming(self, interval: str) -> Kline | None:
        """A copy of the open kline with all its trades so far; None before the first trade."""
        shorter = FOLDED_FROM.get(interval)
        below = self.forming(shorter) if shorter else None
        here = self._open.get(interval)
        if here is None:
            if below is None:
                return None
            here = flat(interval, below.open_ms, below.open)
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
        if forming and end == len(rows) and _holds(forming.open_ms, start_ms, end_ms):
            found.append(forming)
        return found[:limit] if start_ms is not None else found[-limit:]


def _holds(time_ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or start_ms <= time_ms) and (end_ms is None or time_ms <= end_ms)
