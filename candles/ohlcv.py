"""Ticks folded into candles, exactly.

Ticks are folded once, into the base interval: the longest span that divides all intervals
asked for. Longer candles are merged from closed base candles, so all of them rest on the same
proof.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    `late_at` is the index of the tick that `fold` stopped at: its candle had closed before.
    """

    def __init__(self, interval_ms: int, forming: OHLCV | None = None) -> None:
        self.interval_ms = interval_ms
        self.forming = forming
        self.late_at: int | None = None

    def fold(self, ticks: Sequence[Tick], start: int = 0) -> list[OHLCV]:
        """Fold `ticks` from `start` up to the first late one; return what closed, empty or not."""
        closed: list[OHLCV] = []
        self.late_at = None
        while start < len(ticks):
            if self.forming is None:
                self.forming = self._opened_by(ticks[start])
            if ticks[start].time_ms < self.forming.open_ms:
                self.late_at = start
                return closed
            closed += self.advance(ticks[start].time_ms)
            self.forming, start = _folded(self.forming, ticks, start)
        return closed

    def advance(self, now_ms: int) -> list[OHLCV]:
        """Close every interval that has ended by `now_ms`, traded in or not."""
        closed: list[OHLCV] = []
        while self.forming is not None and self.forming.end_ms <= now_ms:
            closed.append(self.forming)
            self.forming = flat(self.forming.end_ms, self.interval_ms, self.forming.close)
        return closed

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


class SymbolCandles:
    """One symbol's candles of several intervals, folded from its ticks once.

    `parts` holds, per interval longer than the base, what closed base candles have brought
    together so far; `forming` adds the base candle that is still open. `late` collects the
    ticks whose base candle was closed before they came: longer candles that are still open
    have them, closed ones are for the caller to revise. `newest_ms` is the newest trade time,
    at least to the base candle.
    """

    def __init__(
        self,
        intervals: Sequence[str],
        base: OHLCV | None = None,
        parts: Mapping[str, OHLCV] | None = None,
        newest_ms: int = 0,
    ) -> None:
        self.intervals = {name: INTERVALS_MS[name] for name in intervals}
        self.builder = CandleBuilder(base_interval_ms(intervals), base)
        self.parts: dict[str, OHLCV] = dict(parts or {})
        self.newest_ms = newest_ms
        self.late: list[Tick] = []

    def fold(self, ticks: Sequence[Tick]) -> list[OHLCV]:
        """Fold ticks in the order of their ids; return what closed, of all intervals, in order."""
        closed = self._folded(ticks, 0)
        while self.builder.late_at is not None:
            late_at = self.builder.late_at
            self._add_late(ticks[late_at])
            closed += self._folded(ticks, late_at + 1)
        return closed

    def advance(self, now_ms: int) -> list[OHLCV]:
        """Close every interval that has ended by `now_ms`, traded in or not."""
        return self._rolled_up(self.builder.advance(now_ms))

    def forming(self) -> dict[str, OHLCV]:
        """The open candle of each interval; empty before the first tick."""
        base = self.builder.forming
        return {} if base is None else forming_of(base, self.parts, self.intervals)

    def _folded(self, ticks: Sequence[Tick], start: int) -> list[OHLCV]:
        closed = self._rolled_up(self.builder.fold(ticks, start))
        forming = self.builder.forming
        if forming is not None and forming.trades:
            self.newest_ms = max(self.newest_ms, forming.open_ms)
        return closed

    def _add_late(self, tick: Tick) -> None:
        self.late.append(tick)
        for name, part in self.parts.items():
            self.parts[name] = self._with_late(part, tick)
        if self.builder.forming is not None:
            self.builder.forming = self._with_late(self.builder.forming, tick)
        self.newest_ms = max(self.newest_ms, tick.time_ms)

    def _with_late(self, candle: OHLCV, tick: Tick) -> OHLCV:
        """An open candle once a late tick has come, of its span or of one before it.

        An empty one is flat at the close of the last one that has trades.
        """
        if candle.open_ms <= tick.time_ms:
            return with_ticks(candle, [tick])
        last_ms = floor_ms(self.newest_ms, candle.interval_ms)
        if candle.trades or tick.time_ms < last_ms:
            return candle
        return flat(candle.open_ms, candle.interval_ms, tick.price)

    def _rolled_up(self, closed: list[OHLCV]) -> list[OHLCV]:
        if not closed:
            return closed
        result: list[OHLCV] = []
        for candle in closed:
            for name, interval_ms in self.intervals.items():
                if interval_ms == candle.interval_ms:
                    result.append(candle)
                elif longer := self._extended(name, interval_ms, candle):
                    result.append(longer)
        return result

    def _extended(self, name: str, interval_ms: int, candle: OHLCV) -> OHLCV | None:
        """Add a base candle to a longer one; return that if it is now complete."""
        part = self.parts.pop(name, None)
        parts = [candle] if part is None else [part, candle]
        longer = merged(parts, floor_ms(candle.open_ms, interval_ms), interval_ms)
        if candle.end_ms == longer.end_ms:
            self.parts[name] = flat(longer.end_ms, interval_ms, longer.close)
            return longer
        self.parts[name] = longer
        return None


def forming_of(
    base: OHLCV, parts: Mapping[str, OHLCV], intervals: Mapping[str, int]
) -> dict[str, OHLCV]:
    """The open candle of each interval, from the open base candle and what lies before it."""
    forming: dict[str, OHLCV] = {}
    for name, interval_ms in intervals.items():
        before = [parts[name]] if name in parts else []
        if interval_ms == base.interval_ms:
            forming[name] = base
        else:
            forming[name] = merged(
                [*before, base], floor_ms(base.open_ms, interval_ms), interval_ms
            )
    return forming
