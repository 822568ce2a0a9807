"""Ticks folded into candles of one interval, exactly."""

from collections.abc import Iterable, MutableMapping, Sequence
from decimal import Decimal, localcontext
from math import gcd

import msgspec

from candles.intervals import INTERVALS_MS, floor_ms
from foundation.decimals import EXACT, ZERO
from market.ticks import Tick


class ClosingTick(msgspec.Struct, frozen=True):
    """The tick that closed a candle: when it was traded, by the exchange's clock, and received."""

    traded_ms: int
    received_ms: int


class OHLCV(msgspec.Struct, frozen=True, gc=False):
    """One candle's numbers.

    Times are milliseconds since the epoch, prices in quote asset, volumes in base asset, quote
    volumes in quote asset; `taker` counts what takers bought. The tick ids are None where no
    tick was folded: an empty span, or one taken from the exchange's klines.
    """

    open_ms: int
    interval_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0
    taker_volume: Decimal = ZERO
    taker_quote_volume: Decimal = ZERO
    first_tick_id: int | None = None
    last_tick_id: int | None = None

    @property
    def end_ms(self) -> int:
        """The first millisecond after it."""
        return self.open_ms + self.interval_ms


def flat(open_ms: int, interval_ms: int, price: Decimal) -> OHLCV:
    """A span without a trade: four times the price before it, no volume."""
    return OHLCV(open_ms, interval_ms, price, price, price, price)


def merged(parts: Sequence[OHLCV], open_ms: int, interval_ms: int) -> OHLCV:
    """The candle at `open_ms` made of consecutive, non-overlapping `parts`; at least one.

    Parts without a trade only carry the price before them, so they count for nothing as soon
    as one of them has trades; without any, the first one carries it into this candle.
    """
    traded = [part for part in parts if part.trades]
    if not traded:
        return flat(open_ms, interval_ms, parts[0].close)
    first, last = _by_id(traded)
    with localcontext(EXACT):
        return OHLCV(
            open_ms,
            interval_ms,
            first.open,
            max(part.high for part in traded),
            min(part.low for part in traded),
            last.close,
            sum((part.volume for part in traded), ZERO),
            sum((part.quote_volume for part in traded), ZERO),
            sum(part.trades for part in traded),
            sum((part.taker_volume for part in traded), ZERO),
            sum((part.taker_quote_volume for part in traded), ZERO),
            first.first_tick_id,
            last.last_tick_id,
        )


def _by_id(traded: Sequence[OHLCV]) -> tuple[OHLCV, OHLCV]:
    """The parts that hold the first and the last tick by id, which a late one moves.

    Where the exchange's klines stand for the beginning its ids are unknown, and lower.
    """
    if any(part.first_tick_id is None for part in traded):
        first = traded[0]
    else:
        first = min(traded, key=lambda part: part.first_tick_id or 0)
    return first, max(reversed(traded), key=lambda part: part.last_tick_id or 0)


class CandleBuilder:
    """Folds one symbol's ticks, in the order of their ids, into candles of one interval.

    `forming` is the candle still taking ticks; it exists from the first tick or price on.
    `klines` says by open time whether the exchange has a kline there, as far as that is known:
    an interval without a trade closes where it has one, is skipped where it has none (trading
    was suspended), and stays open where that is unknown. None says that it has all of them.

    `fold` stops at a tick whose candle had closed before, at index `late_at`, and at one that
    lies beyond an empty interval of which nothing is known, at `unproven_at`.
    """

    def __init__(
        self,
        interval_ms: int,
        forming: OHLCV | None = None,
        klines: MutableMapping[int, bool] | None = None,
    ) -> None:
        self.interval_ms = interval_ms
        self.forming = forming
        self.klines = klines
        self.late_at: int | None = None
        self.unproven_at: int | None = None

    def fold(self, ticks: Sequence[Tick], start: int = 0) -> list[OHLCV]:
        """Fold `ticks` from `start` as far as that goes; return what closed, empty or not."""
        closed: list[OHLCV] = []
        self.late_at = self.unproven_at = None
        while start < len(ticks):
            time_ms = ticks[start].time_ms
            if self.forming is None:
                self.forming = self._opened_by(ticks[start])
            if time_ms < self.forming.open_ms:
                self.late_at = start
                return closed
            closed += self._reach(time_ms)
            if time_ms >= self.forming.end_ms:
                self.unproven_at = start
                return closed
            self.forming, start = _folded(self.forming, ticks, start)
        return closed

    def advance(self, now_ms: int) -> list[OHLCV]:
        """Close every interval that has ended by `now_ms`, traded in or not."""
        closed: list[OHLCV] = []
        while self.forming is not None and self.forming.end_ms <= now_ms:
            closed.append(self.forming)
            self._open_next(self.forming)
        return closed

    def skip_absent(self) -> None:
        """Pass over empty intervals of which the exchange has no kline."""
        while (
            (forming := self.forming) and not forming.trades and self._has_kline(forming) is False
        ):
            self._open_next(forming)

    def _reach(self, time_ms: int) -> list[OHLCV]:
        """Close what has ended by `time_ms`, up to an empty interval that may not exist."""
        closed: list[OHLCV] = []
        while (forming := self.forming) is not None and forming.end_ms <= time_ms:
            exists = True if forming.trades else self._has_kline(forming)
            if exists is None:
                return closed
            if exists:
                closed.append(forming)
            self._open_next(forming)
        return closed

    def _has_kline(self, candle: OHLCV) -> bool | None:
        return True if self.klines is None else self.klines.get(candle.open_ms)

    def _open_next(self, candle: OHLCV) -> None:
        if self.klines:
            self.klines.pop(candle.open_ms, None)
        self.forming = flat(candle.end_ms, self.interval_ms, candle.close)

    def _opened_by(self, tick: Tick) -> OHLCV:
        return flat(floor_ms(tick.time_ms, self.interval_ms), self.interval_ms, tick.price)


def with_ticks(candle: OHLCV, ticks: Sequence[Tick]) -> OHLCV:
    """`candle` with more ticks of its span; their ids are above all that it has."""
    more, end = _folded(candle, ticks, 0)
    if end < len(ticks):
        raise ValueError(f"tick {ticks[end].tick_id} lies outside the candle at {candle.open_ms}")
    return more


def _folded(candle: OHLCV, ticks: Sequence[Tick], start: int) -> tuple[OHLCV, int]:
    """`candle` with the run of ticks from `start` on that lies in its span, and the run's end.

    The hot loop of the system: local names, one pass, no call per tick.
    """
    opens, ends = candle.open_ms, candle.open_ms + candle.interval_ms
    if candle.trades:
        open_, high, low = candle.open, candle.high, candle.low
        first_id = candle.first_tick_id
    else:
        open_ = high = low = ticks[start].price  # until now it was flat at the price before
        first_id = ticks[start].tick_id
    volume, quote_volume, trades = candle.volume, candle.quote_volume, candle.trades
    taker_volume, taker_quote = candle.taker_volume, candle.taker_quote_volume
    end = start
    with localcontext(EXACT):
        for end in range(start, len(ticks)):  # read after the loop
            tick = ticks[end]
            if not opens <= tick.time_ms < ends:
                break
            price, quantity = tick.price, tick.quantity
            if price > high:
                high = price
            elif price < low:
                low = price
            quote = price * quantity
            volume += quantity
            quote_volume += quote
            trades += tick.last_trade_id - tick.first_trade_id + 1
            if not tick.buyer_is_maker:
                taker_volume += quantity
                taker_quote += quote
        else:
            end += 1
    if end == start:
        return candle, end
    last = ticks[end - 1]
    more = OHLCV(
        opens, candle.interval_ms, open_, high, low, last.price, volume, quote_volume, trades,
        taker_volume, taker_quote, first_id, last.tick_id,
    )  # fmt: skip
    return more, end


def base_interval_ms(intervals: Iterable[str]) -> int:
    """The longest span that divides all of `intervals`."""
    return gcd(*(INTERVALS_MS[name] for name in intervals))
