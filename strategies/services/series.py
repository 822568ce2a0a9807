"""What each strategy watches, and the closes it judges by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.conf import settings
from django.db.models import F

from candles.intervals import INTERVALS_MS
from candles.models import Candle
from market.models import Symbol
from market.times import to_ms, to_time
from strategies.indicators import history_needed
from strategies.models import Strategy

# Candles of one series judged in one transaction; a longer absence is caught up with in several.
MOST_AT_ONCE = 500
Key = tuple[int, int, str]  # strategy, symbol, interval


@dataclass(frozen=True, slots=True)
class Watch:
    """The candles of one series that one strategy judges now, first and last by open time.

    They lead up to the one of `target_ms`, which an absence may put out of reach for now.
    """

    strategy: Strategy
    symbol: Symbol
    interval: str
    first_ms: int
    last_ms: int
    target_ms: int

    def after(self, place_ms: int) -> "Watch":
        """What is to be judged once the candle of `place_ms` has been."""
        first = place_ms + self.interval_ms
        last = min(self.target_ms, first + (MOST_AT_ONCE - 1) * self.interval_ms)
        return replace(self, first_ms=first, last_ms=last)

    @property
    def key(self) -> Key:
        return self.strategy.pk, self.symbol.pk, self.interval

    @property
    def interval_ms(self) -> int:
        return INTERVALS_MS[self.interval]

    @property
    def needed(self) -> int:
        return history_needed(self.strategy.sma_period, self.strategy.ema_period)

    @property
    def history_ms(self) -> int:
        """Open time of the oldest candle that counts."""
        return self.first_ms - (self.needed - 1) * self.interval_ms


@dataclass(frozen=True, slots=True)
class Closes:
    """Closes of consecutive candles from `start_ms` on; None where a candle is missing."""

    start_ms: int
    interval_ms: int
    values: list[Decimal | None]

    def until(self, open_ms: int, count: int) -> list[Decimal | None]:
        """The `count` closes that end with the candle of `open_ms`, oldest first."""
        end = (open_ms - self.start_ms) // self.interval_ms + 1
        return self.values[max(0, end - count) : end]


def interval_of(strategy: Strategy) -> str:
    return strategy.interval or str(settings.INTERVALS[0])


def enabled_strategies() -> dict[Strategy, set[int]]:
    """Each with the symbols that it names; one that names none trades every followed one."""
    named: dict[Strategy, set[int]] = {}
    rows = Strategy.objects.filter(enabled=True).order_by("pk").annotate(named=F("symbols"))
    for strategy in rows:  # one row for each symbol that a strategy names
        named.setdefault(strategy, set())
        if strategy.named is not None:
            named[strategy].add(strategy.named)
    return named


def watches(candles: Iterable[Candle]) -> list[Watch]:
    """The newest of these candles in each series, for every strategy that judges it."""
    newest: dict[tuple[int, str], Candle] = {}
    for candle in sorted(candles, key=lambda candle: candle.open_time):
        newest[candle.symbol_id, candle.interval] = candle
    strategies = enabled_strategies()
    return [
        _watch(strategy, candle)
        for candle in newest.values()
        if candle.symbol.followed
        for strategy, named in strategies.items()
        if candle.interval == interval_of(strategy) and (not named or candle.symbol_id in named)
    ]


def _watch(strategy: Strategy, candle: Candle) -> Watch:
    open_ms = to_ms(candle.open_time)
    return Watch(strategy, candle.symbol, candle.interval, open_ms, open_ms, open_ms)


def read_closes(wanted: Sequence[Watch]) -> dict[tuple[int, str], Closes]:
    """The closes that the watches need, by symbol and interval: one query for all that run level.

    Symbols that lag behind are read apart, lest everybody's history be read as far back.
    """
    spans: dict[tuple[int, str], tuple[int, int]] = {}
    for watch in wanted:
        series = watch.symbol.pk, watch.interval
        start, end = spans.get(series, (watch.history_ms, watch.last_ms))
        spans[series] = min(start, watch.history_ms), max(end, watch.last_ms)
    level: defaultdict[tuple[str, int, int], list[int]] = defaultdict(list)
    for (symbol_id, interval), (start, end) in spans.items():
        level[interval, start, end].append(symbol_id)
    closes: dict[tuple[int, str], Closes] = {}
    for (interval, start, end), symbol_ids in level.items():
        closes |= _read(interval, start, end, symbol_ids)
    return closes


def _read(
    interval: str, start_ms: int, end_ms: int, symbol_ids: Sequence[int]
) -> dict[tuple[int, str], Closes]:
    interval_ms = INTERVALS_MS[interval]
    count = (end_ms - start_ms) // interval_ms + 1
    found = {
        (symbol_id, interval): Closes(start_ms, interval_ms, [None] * count)
        for symbol_id in symbol_ids
    }
    rows = Candle.objects.filter(
        symbol_id__in=symbol_ids,
        interval=interval,
        open_time__range=(to_time(start_ms), to_time(end_ms)),
    ).order_by()
    for symbol_id, open_time, close in rows.values_list("symbol_id", "open_time", "close"):
        place, off_boundary = divmod(to_ms(open_time) - start_ms, interval_ms)
        if not off_boundary:
            found[symbol_id, interval].values[place] = close
    return found
