"""Closes of consecutive candles, read for the windows that need them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from candles.intervals import INTERVALS_MS
from candles.models import Candle
from foundation.times import to_ms, to_time
from strategies import queries
from strategies.services.windows import Window


@dataclass(frozen=True, slots=True)
class Closes:
    """Closes of consecutive candles from `start_ms` on; None where a candle is missing.

    `revisions` are those of candles that were revised, by their index.
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
        """The revision of the candle of `open_ms`, counted from 1."""
        return self.revisions.get((open_ms - self.start_ms) // self.interval_ms, 1)


def read_closes(windows: Sequence[Window]) -> dict[tuple[int, str], Closes]:
    """The closes that the windows need, by symbol and interval: one query for all that run level.

    Symbols that lag behind are read apart, lest everybody's history be read as far back.
    """
    spans: dict[tuple[int, str], tuple[int, int]] = {}
    for window in windows:
        series = window.symbol_id, window.interval
        start, end = spans.get(series, (window.history_ms, window.last_ms))
        spans[series] = min(start, window.history_ms), max(end, window.last_ms)
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
    stored = queries.read_closes(symbol_ids, interval, start_ms, end_ms)
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
    """Series with holes in them: every close is put at its own index."""
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
        index, off_boundary = divmod(to_ms(open_time) - start_ms, interval_ms)
        if not off_boundary:
            closes = found[symbol_id, interval]
            closes.values[index], closes.revisions[index] = close, revision
    return found
