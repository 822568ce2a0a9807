"""Closed klines of one interval, packed. Source: protocol C."""

from array import array
from bisect import bisect_left, bisect_right
from decimal import Decimal

from sandbox.data.klines import Kline
from sandbox.data.tape import Trade

MAX_CLOSED = 4_000  # of an interval; a fourth more before the oldest are dropped


class ClosedKlines:
    """Closed klines of one interval, oldest first. They are packed, being thousands a symbol:
    a kline as an object takes a kilobyte, as text a tenth of that and nothing of the
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
        self._packed.append(_pack(kline))
        self.last_close = kline.close
        if len(self._packed) > MAX_CLOSED * 5 // 4:
            del self._opens[:-MAX_CLOSED], self._packed[:-MAX_CLOSED]

    def count_before(self, time_ms: int, inclusive: bool = False) -> int:
        """The number of klines that open before `time_ms`; at it, too, where `inclusive`."""
        return (bisect_right if inclusive else bisect_left)(self._opens, time_ms)

    def __getitem__(self, positions: slice) -> list[Kline]:
        return [_unpack(packed) for packed in self._packed[positions]]

    def amend(self, trade: Trade) -> None:
        """Add a trade to the kline of its time, unless that was dropped long ago.

        Klines without trades that follow have the close before them, so they change with it.
        """
        position = self.count_before(trade.time_ms, inclusive=True) - 1
        if position < 0:
            return
        kline = _unpack(self._packed[position])
        kline.add_trade(trade)
        self._packed[position] = _pack(kline)
        for later in range(position + 1, len(self)):
            empty = _unpack(self._packed[later])
            if empty.count:
                return
            empty.set_all_prices(kline.close)
            self._packed[later] = _pack(empty)
        self.last_close = kline.close


def _pack(k: Kline) -> bytes:
    money = f"{k.open} {k.high} {k.low} {k.close} {k.volume} {k.quote}"
    taker = f"{k.taker_volume} {k.taker_quote} {k.count} {k.first_id} {k.last_id}"
    return f"{k.open_ms} {k.end_ms} {money} {taker}".encode()


def _unpack(packed: bytes) -> Kline:
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
