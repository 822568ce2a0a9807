"""Klines and their intervals. Source: protocol C."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sandbox.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from sandbox.data.tape import Trade

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

FIRST_MONDAY_MS = 4 * DAY_MS  # the epoch was a Thursday; weeks open on Monday
ZERO = Decimal(0)


def interval_bounds(interval: str, time_ms: int) -> tuple[int, int]:
    """Open time and end (excluded) of the interval that holds `time_ms`, in ms."""
    if interval == MONTH:
        return _month_bounds(time_ms)
    length = INTERVAL_MS[interval]
    shift = FIRST_MONDAY_MS if interval == "1w" else 0
    open_ms = (time_ms - shift) // length * length + shift
    return open_ms, open_ms + length


def _month_bounds(time_ms: int) -> tuple[int, int]:
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

    def add_trade(self, trade: Trade) -> None:
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

    def merge(self, part: "Kline") -> None:
        """Add a kline that lies inside this one; the ids say whose open and close count."""
        if not part.count:
            return
        if not self.count:
            self.open, self.high, self.low = part.open, part.high, part.low
            self.first_id = part.first_id
        elif part.first_id < self.first_id:
            self.open, self.first_id = part.open, part.first_id
        if part.last_id > self.last_id:
            self.close, self.last_id = part.close, part.last_id
        self.high = max(self.high, part.high)
        self.low = min(self.low, part.low)
        self.volume += part.volume
        self.quote += part.quote
        self.taker_volume += part.taker_volume
        self.taker_quote += part.taker_quote
        self.count += part.count

    def set_all_prices(self, price: Decimal) -> None:
        """Price a kline without trades: at the close before it."""
        self.open = self.high = self.low = self.close = price


def flat_kline(interval: str, time_ms: int, price: Decimal) -> Kline:
    """A kline without trades, of the interval that holds `time_ms`."""
    open_ms, end_ms = interval_bounds(interval, time_ms)
    return Kline(open_ms, end_ms, price, price, price, price)
