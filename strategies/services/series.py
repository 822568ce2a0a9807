"""What each strategy watches, and the closes it judges by."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple

from django.conf import settings

from candles.intervals import INTERVALS_MS
from candles.models import Candle
from foundation.times import now_ms, to_ms, to_time
from market.queries import followed
from strategies import queries
from strategies.indicators import history_needed
from strategies.models import Strategy

# Candles of one series judged in one transaction; a longer absence is caught up with in several.
MOST_AT_ONCE = 500
Key = tuple[int, int, str]  # strategy, symbol, interval


class Closed(NamedTuple):
    """A candle that closed, by its key: the database has the rest.

    With it, of one that has just closed, when its cause was traded and received, and when it
    stood in the database: milliseconds.
    """

    symbol_id: int
    interval: str
    open_ms: int
    traded_ms: int | None = None
    received_ms: int | None = None
    closed_ms: int | None = None

    @classmethod
    def of(cls, candle: Candle) -> "Closed":
        return cls(candle.symbol_id, candle.interval, to_ms(candle.open_time))

    @classmethod
    def just(cls, candle: Candle) -> "Closed":
        """A candle that has just closed."""
        closed = cls.of(candle)._replace(closed_ms=now_ms())
        if candle.cause is None:
            return closed
        traded_ms, received_ms = candle.cause.traded_ms, candle.cause.received_ms
        return closed._replace(traded_ms=traded_ms, received_ms=received_ms)


@dataclass(frozen=True, slots=True)
class Watch:
    """The candles of one series that one strategy judges now, first and last by open time.

    They lead up to the `target`, which an absence may put out of reach for now.
    """

    strategy: Strategy
    symbol_id: int
    interval: str
    first_ms: int
    last_ms: int
    target: Closed

    @property
    def target_ms(self) -> int:
        return self.target.open_ms

    def after(self, place_ms: int) -> "Watch":
        """What is to be judged once the candle of `place_ms` has been."""
        first = place_ms + self.interval_ms
        last = min(self.target_ms, first + (MOST_AT_ONCE - 1) * self.interval_ms)
        return replace(self, first_ms=first, last_ms=last)

    @property
    def key(self) -> Key:
        return self.strategy.pk, self.symbol_id, self.interval

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
    """Closes of consecutive candles from `start_ms` on; None where a candle is missing.

    `revisions` are those of candles that were revised, by their place.
    """

    start_ms: int
    interval_ms: int
    values: list[Decimal | None]
    revisions: dict[int, int]

    def until(self, open_ms: int, count: int) -> list[Decimal | None]:
        """The `count` closes that end with the candle of `open_ms`, oldest first."""
        end = (open_ms - self.start_ms) // self.interval_ms + 1
        return self.values[max(0, end - count) : end]

    def revision(self, open_ms: int) -> int:
        """Which revision of the candle of `open_ms` this is."""
        return self.revisions.get((open_ms - self.start_ms) // self.interval_ms, 1)


def interval_of(strategy: Strategy) -> str:
    return strategy.interval or str(settings.INTERVALS[0])


def enabled_strategies() -> dict[Strategy, set[int]]:
    """Each with the symbols that it names; one that names none trades every followed one.

    Read for every candle, so that what is changed in the admin or by API governs the next one.
    """
    named: dict[Strategy, set[int]] = {}
    for strategy, symbol_id in queries.enabled():
        named.setdefault(strategy, set())
        if symbol_id is not None:
            named[strategy].add(symbol_id)
    return named


def watches(closed: Iterable[Closed]) -> list[Watch]:
    """The newest of these candles in each series, for every strategy that judges it."""
    ordered = sorted(closed, key=attrgetter("open_ms"))
    newest = {(one.symbol_id, one.interval): one for one in ordered}
    trading = followed({symbol_id for symbol_id, _ in newest})
    strategies = enabled_strategies()
    return [
        Watch(strategy, symbol_id, interval, one.open_ms, one.open_ms, one)
        for (symbol_id, interval), one in newest.items()
        if symbol_id in trading
        for strategy, named in strategies.items()
        if interval == interval_of(strategy) and (not named or symbol_id in named)
    ]


def read_closes(wanted: Sequence[Watch]) -> dict[tuple[int, str], Closes]:
    """The closes that the watches need, by symbol and interval: one query for all that run level.

    Symbols that lag behind are read apart, lest everybody's history be read as far back.
    """
    spans: dict[tuple[int, str], tuple[int, int]] = {}
    for watch in wanted:
        series = watch.symbol_id, watch.interval
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
    stored = queries.closes(symbol_ids, interval, start_ms, end_ms)
    whole = {symbol_id for symbol_id, run in stored.items() if len(run.closes) == count}
    found = {
        (symbol_id, interval): Closes(start_ms, interval_ms, [*run.closes], run.revisions)
        for symbol_id, run in stored.items()
        if symbol_id in whole
    }
    broken = set(symbol_ids) - whole
    return found | _read_broken(interval, start_ms, count, broken) if broken else found


def _read_broken(
    interval: str, start_ms: int, count: int, symbol_ids: Collection[int]
) -> dict[tuple[int, str], Closes]:
    """Series with holes in them: every close has to find its place."""
    interval_ms = INTERVALS_MS[interval]
    found = {
        (symbol_id, interval): Closes(start_ms, interval_ms, [None] * count, {})
        for symbol_id in symbol_ids
    }
    end_ms = start_ms + (count - 1) * interval_ms
    rows = Candle.objects.filter(
        symbol_id__in=symbol_ids,
        interval=interval,
        open_time__range=(to_time(start_ms), to_time(end_ms)),
    ).order_by()
    columns = "symbol_id", "open_time", "close", "revision"
    for symbol_id, open_time, close, revision in rows.values_list(*columns):
        place, off_boundary = divmod(to_ms(open_time) - start_ms, interval_ms)
        if not off_boundary:
            closes = found[symbol_id, interval]
            closes.values[place], closes.revisions[place] = close, revision
    return found
