"""An exchange of the tests that has just the klines it is given."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from candles.intervals import MINUTE_MS
from candles.ohlcv import OHLCV
from market.failures import ExchangeUnreachable, Refused
from market.rest import MAX_ROWS, MarketRest
from market.wire.rest import KlineRow
from market.wire.rows import Rows
from tests.builders import NOON_MS


def minute_ms(minute: int) -> int:
    """So many minutes after noon."""
    return NOON_MS + minute * MINUTE_MS


def kline(minute: int, close: str = "100", **fields: Any) -> OHLCV:
    """What the exchange says of the candle that `tests.builders.candle` makes."""
    price = Decimal(close)
    defaults: dict[str, Any] = {
        "open_ms": minute_ms(minute),
        "interval_ms": MINUTE_MS,
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": Decimal(1),
        "quote_volume": price,
        "trades": 1,
    }
    return OHLCV(**(defaults | fields))


class FakeKlines(MarketRest):
    """Answers with `klines` and keeps what it was asked for."""

    def __init__(self, klines: Iterable[OHLCV] = ()) -> None:
        super().__init__("http://127.0.0.1:9")
        self.klines_of = {one.open_ms: one for one in klines}
        self.asked: list[tuple[str, str, int, int]] = []
        self.away = False
        self.damaged: set[int] = set()  # open times of those whose rows cannot be read
        self.unknown: set[str] = set()
        self.now_ms = NOON_MS

    def has(self, *klines: OHLCV) -> None:
        self.klines_of |= {one.open_ms: one for one in klines}

    def in_background(self, stopping: Any = None) -> "FakeKlines":
        return self

    def server_time(self) -> int:
        return self.now_ms

    def klines_page(
        self, symbol: str, interval: str, start_ms: int, end_ms: int | None, limit: int = MAX_ROWS
    ) -> Rows[KlineRow]:
        end_ms = self.now_ms if end_ms is None else end_ms
        if self.away:
            raise ExchangeUnreachable("away")
        self.asked.append((symbol, interval, start_ms, end_ms))
        if symbol in self.unknown:
            raise Refused(-1121, "Invalid symbol.")
        found = sorted(ms for ms in self.klines_of if start_ms <= ms < end_ms)
        read = [ms for ms in found[:limit] if ms not in self.damaged]
        return Rows((row(self.klines_of[ms]) for ms in read), len(found[:limit]) - len(read))


def row(one: OHLCV) -> KlineRow:
    prices = one.open, one.high, one.low, one.close, one.volume
    taken = one.taker_volume, one.taker_quote_volume
    return (one.open_ms, *prices, one.end_ms - 1, one.quote_volume, one.trades, *taken, "0")
