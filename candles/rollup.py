"""Candles of several intervals from one run of ticks.

Ticks are folded once, into the base interval: the longest span that divides all intervals
asked for. Longer candles are merged from closed base candles, so all of them rest on the same
proof.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from decimal import Decimal

from candles.intervals import INTERVALS_MS, floor_ms
from candles.ohlcv import OHLCV, CandleBuilder, base_interval_ms, flat, merged, with_ticks
from market.ticks import Tick


class SymbolCandles:
    """One symbol's candles of several intervals, folded from its ticks once.

    `parts` holds, per interval longer than the base, what closed base candles have brought
    together so far, or the close before where that is nothing; `forming` adds the base candle
    that is still open. `late` collects the ticks whose base candle was closed before they came:
    longer candles that are still open have them, closed ones are for the caller to revise.
    `newest_ms` is the newest trade time, at least to the base candle. `klines` is as in
    CandleBuilder: a longer candle is closed where at least one base candle within it exists.
    """

    def __init__(
        self,
        intervals: Sequence[str],
        base: OHLCV | None = None,
        parts: Mapping[str, OHLCV] | None = None,
        newest_ms: int = 0,
        klines: MutableMapping[int, bool] | None = None,
    ) -> None:
        self.intervals = {name: INTERVALS_MS[name] for name in intervals}
        self.builder = CandleBuilder(base_interval_ms(intervals), base, klines)
        self.parts: dict[str, OHLCV] = dict(parts or {})
        self.newest_ms = newest_ms
        self.late: list[Tick] = []

    def fold(self, ticks: Sequence[Tick]) -> list[OHLCV]:
        """Fold ticks in the order of their ids; return what closed, of all intervals, in order.

        Ticks from the builder's `unproven_at` on, where it is set, were not folded.
        """
        closed = self._folded(ticks, 0)
        while self.builder.late_at is not None:
            late_at = self.builder.late_at
            self._add_late(ticks[late_at])
            closed += self._folded(ticks, late_at + 1)
        return closed

    def advance(self, now_ms: int) -> list[OHLCV]:
        """Close every interval that has ended by `now_ms`, traded in or not."""
        return self._rolled_up(self.builder.advance(now_ms))

    def skip_absent(self) -> list[OHLCV]:
        """Pass over empty intervals of which the exchange has no kline; return what that closed."""
        self.builder.skip_absent()
        return self._ended_before(self.builder.forming.open_ms) if self.builder.forming else []

    def forming(self) -> dict[str, OHLCV]:
        """The open candle of each interval; empty before the first tick."""
        base = self.builder.forming
        return {} if base is None else forming_of(base, self.parts, self.intervals)

    def _folded(self, ticks: Sequence[Tick], start: int) -> list[OHLCV]:
        before = self.builder.forming
        closed = self._rolled_up(self.builder.fold(ticks, start))
        forming = self.builder.forming
        if forming and before and forming.open_ms != before.open_ms:
            closed += self._ended_before(forming.open_ms)
        if forming is not None and forming.trades:
            self.newest_ms = max(self.newest_ms, forming.open_ms)
        return closed

    def _add_late(self, tick: Tick) -> None:
        self.late.append(tick)
        base = self.builder.forming
        for name, interval_ms in self.intervals.items() if base else ():
            if base and interval_ms > base.interval_ms:
                self._add_late_to_part(name, floor_ms(base.open_ms, interval_ms), tick)
        if base is not None:
            self.builder.forming = self._with_late(base, tick)
        self.newest_ms = max(self.newest_ms, tick.time_ms)

    def _add_late_to_part(self, name: str, open_ms: int, tick: Tick) -> None:
        """Give a late tick to a longer candle that opened at `open_ms`, or its price."""
        interval_ms, part = self.intervals[name], self.parts.get(name)
        if part is None or not part.interval_ms:
            part = flat(open_ms, interval_ms, tick.price if part is None else part.close)
            if tick.time_ms < open_ms:
                part = self._with_late(part, tick)
                self.parts[name] = _before(open_ms, part.close)
                return
        self.parts[name] = self._with_late(part, tick)

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
            result += self._ended_before(candle.open_ms)
            for name, interval_ms in self.intervals.items():
                if interval_ms == candle.interval_ms:
                    result.append(candle)
                elif longer := self._extended(name, interval_ms, candle):
                    result.append(longer)
        return result

    def _ended_before(self, time_ms: int) -> list[OHLCV]:
        """Longer candles that ended by `time_ms`, in a span without a base candle."""
        ended = {
            name: part
            for name, part in self.parts.items()
            if part.interval_ms and part.end_ms <= time_ms
        }
        for name, part in ended.items():
            self.parts[name] = _before(part.end_ms, part.close)
        return list(ended.values())

    def _extended(self, name: str, interval_ms: int, candle: OHLCV) -> OHLCV | None:
        """Add a base candle to a longer one; return that if it is now complete."""
        part = self.parts.pop(name, None)
        parts = [candle] if part is None else [part, candle]
        longer = merged(parts, floor_ms(candle.open_ms, interval_ms), interval_ms)
        if candle.end_ms == longer.end_ms:
            self.parts[name] = _before(longer.end_ms, longer.close)
            return longer
        self.parts[name] = longer
        return None


def _before(open_ms: int, close: Decimal) -> OHLCV:
    """The close before a longer candle of which no base candle has closed yet: of no length."""
    return flat(open_ms, 0, close)


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
