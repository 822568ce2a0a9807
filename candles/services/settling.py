"""Recent candles without a verdict, and recent candles that are not there: the exchange is asked.

What it has no kline of (a market that was halted, a testnet that was reset) is not asked for again
for a while. Those open times stand in Redis, with the time until when:

    candles:absent:{symbol}:{interval}   sorted set   open time in ms, by the ms until when
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import redis
import structlog

from candles.intervals import HOUR_MS, INTERVALS_MS, floor_ms
from candles.klines import SETTLED_MS, candle_of
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV
from candles.services.recording import record_history
from candles.services.verification import hold_against, missing_from
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.rest import PAGE, ExchangeRefused, MarketRest

logger = structlog.get_logger(__name__)

CLOSED_FOR_MS = 4_000  # a kline lags behind the trades for a moment
SETTLED_WITHIN_MS = 24 * HOUR_MS  # older candles are the audit's
LOOK_BACK_MS = 6 * HOUR_MS  # for candles that are not there
MOST_REQUESTS = 20  # in one sweep
MOST_CANDLES = 20_000
ASK_AGAIN_MS = HOUR_MS
YOUNG_MS = 60_000  # the kline of a candle that closed this lately may still come


@dataclass(frozen=True)
class Run:
    """Candles of one series that one request can ask for, oldest first, by open time in ms."""

    symbol: Symbol
    interval: str
    open_times: list[int]

    def klines(self, rest: MarketRest) -> dict[int, OHLCV]:
        """The exchange's klines of these candles, by open time; empty where it knows no symbol."""
        interval_ms = INTERVALS_MS[self.interval]
        wanted = set(self.open_times)
        bounds = self.open_times[0], self.open_times[-1] + interval_ms
        try:
            rows = rest.klines_page(self.symbol.name, self.interval, *bounds)
        except ExchangeRefused as error:
            logger.warning("klines.refused", symbol=self.symbol.name, error=str(error))
            return {}
        return {row[0]: candle_of(row, interval_ms) for row in rows if row[0] in wanted}


def settle(rest: MarketRest, client: redis.Redis, now: datetime) -> None:
    """Hold candles that closed lately and have no verdict against the exchange's klines.

    `now` is by the exchange's clock. Raises ExchangeUnreachable; what was settled until then is.
    """
    absent = Absent(client, to_ms(now))
    for run in _runs(_unsettled(to_ms(now)), absent)[:MOST_REQUESTS]:
        klines = run.klines(rest)
        held = hold_against(run.symbol.pk, run.interval, list(klines.values()), now)
        absent.note(run, klines)
        logger.info(
            "candles.settled", symbol=run.symbol.name, interval=run.interval,
            exact=len(held.exact), repaired=len(held.repaired), differing=len(held.differing),
            absent=len(run.open_times) - len(klines),
        )  # fmt: skip


def insert_missing(
    rest: MarketRest, client: redis.Redis, intervals: Sequence[str], now: datetime
) -> None:
    """Write down recent candles that are missing between others, from the exchange's klines.

    Behind the newest one nothing is missing: those the stream brings, and strategies wait for
    them. `now` is by the exchange's clock. Raises ExchangeUnreachable.
    """
    absent = Absent(client, to_ms(now))
    missing = {
        (symbol, interval): times
        for symbol in Symbol.objects.followed()
        for interval in intervals
        if (times := _missing(symbol, interval, to_ms(now)))
    }
    for run in _runs(missing, absent)[:MOST_REQUESTS]:
        klines = run.klines(rest)
        settled = [one for one in klines.values() if one.end_ms <= to_ms(now) - SETTLED_MS]
        record_history(run.symbol.name, run.interval, settled, now)
        absent.note(run, klines)
        logger.warning(
            "candles.missing", symbol=run.symbol.name, interval=run.interval,
            first=to_time(run.open_times[0]).isoformat(), missing=len(run.open_times),
            inserted=len(settled),
        )  # fmt: skip


Series = dict[tuple[Symbol, str], list[int]]


def _unsettled(now_ms: int) -> Series:
    """Candles without a verdict that closed lately, by series, oldest first."""
    longest = timedelta(milliseconds=SETTLED_WITHIN_MS + max(INTERVALS_MS.values()))
    rows = Candle.objects.filter(
        verdict=Verdict.UNVERIFIED,
        open_time__gte=to_time(now_ms) - longest,
        open_time__lt=to_time(now_ms - CLOSED_FOR_MS),
    )
    keys = rows.order_by("open_time").values_list("symbol", "interval", "open_time")[:MOST_CANDLES]
    by_series: dict[tuple[int, str], list[int]] = defaultdict(list)
    for symbol_id, interval, open_time in keys:
        open_ms = to_ms(open_time)
        closed_for_ms = now_ms - open_ms - INTERVALS_MS[interval]
        if CLOSED_FOR_MS <= closed_for_ms <= SETTLED_WITHIN_MS:
            by_series[symbol_id, interval].append(open_ms)
    symbols = Symbol.objects.in_bulk({symbol_id for symbol_id, _ in by_series})
    return {(symbols[key], interval): times for (key, interval), times in by_series.items()}


def _missing(symbol: Symbol, interval: str, now_ms: int) -> list[int]:
    """What is not stored of the last hours, between the first and the newest that is."""
    stored = Candle.objects.filter(symbol=symbol, interval=interval)
    times = stored.values_list("open_time", flat=True)
    first, newest = times.order_by("open_time").first(), times.order_by("-open_time").first()
    if first is None or newest is None:
        return []
    interval_ms = INTERVALS_MS[interval]
    start_ms = floor_ms(max(to_ms(first), now_ms - LOOK_BACK_MS), interval_ms)
    end_ms = floor_ms(to_ms(newest), interval_ms)
    there = stored.filter(open_time__gte=to_time(start_ms), open_time__lt=to_time(end_ms)).count()
    if there * interval_ms >= end_ms - start_ms:  # nearly always, and counting is cheap
        return []
    return missing_from(symbol.pk, interval, start_ms, end_ms)


def _runs(series: Series, absent: "Absent") -> list[Run]:
    """The series cut into runs, the oldest first, without what the exchange doesn't have."""
    runs: list[Run] = []
    for (symbol, interval), times in series.items():
        unasked = absent.without(symbol, interval, times)
        for open_times in _cut(unasked, PAGE * INTERVALS_MS[interval]):
            runs.append(Run(symbol, interval, open_times))
    return sorted(runs, key=lambda run: run.open_times[0])


def _cut(times: Iterable[int], span_ms: int) -> list[list[int]]:
    """Ascending times in lists none of which is longer than `span_ms`."""
    cuts: list[list[int]] = []
    for time_ms in times:
        if cuts and time_ms < cuts[-1][0] + span_ms:
            cuts[-1].append(time_ms)
        else:
            cuts.append([time_ms])
    return cuts


class Absent:
    """The candles that the exchange had no kline of when it was last asked."""

    def __init__(self, client: redis.Redis, now_ms: int) -> None:
        self._client = client
        self._now_ms = now_ms

    def without(self, symbol: Symbol, interval: str, open_times: list[int]) -> list[int]:
        """`open_times` without those that are not to be asked for again yet."""
        key = _absent_key(symbol, interval)
        self._client.zremrangebyscore(key, 0, self._now_ms)
        known = {int(one) for one in cast(list[bytes], self._client.zrange(key, 0, -1))}
        return [open_ms for open_ms in open_times if open_ms not in known]

    def note(self, run: Run, there: Collection[int]) -> None:
        closed_before_ms = self._now_ms - YOUNG_MS - INTERVALS_MS[run.interval]
        absent = [ms for ms in run.open_times if ms not in there and ms <= closed_before_ms]
        if absent:
            key = _absent_key(run.symbol, run.interval)
            self._client.zadd(key, dict.fromkeys(map(str, absent), self._now_ms + ASK_AGAIN_MS))
            self._client.pexpire(key, ASK_AGAIN_MS)


def _absent_key(symbol: Symbol, interval: str) -> str:
    return f"candles:absent:{symbol.name}:{interval}"
