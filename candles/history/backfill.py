"""Backfill: the exchange's past klines recorded page by page, however long the past is."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar

import structlog
from django.utils.timezone import now

from candles.intervals import INTERVALS_MS, floor_ms
from candles.klines import MIN_KLINE_AGE_MS, fetch_history, from_kline, missing_span
from candles.services.missing import missing_open_times
from candles.services.recording import record_history, stored_until
from foundation.backoff import Backoff
from foundation.times import to_time
from market.failures import ExchangeUnreachable
from market.models import Symbol
from market.rest import MAX_ROWS, MAX_WAIT_S, MarketRest
from market.wire.bounds import BadFrame

logger = structlog.get_logger(__name__)
T = TypeVar("T")

BACKOFF = Backoff(first_s=2, max_s=60)  # where the exchange doesn't answer
MAX_RETRIES = 6
EARLIEST_MS = 1_483_228_800_000  # 2017: earlier times are refused. Source: Spot REST, changelog


class CatchUpProgress(NamedTuple):
    """Of `[start_ms, end_ms)`, which a series lacked, all before `until_ms` is there."""

    interval: str
    start_ms: int
    until_ms: int
    end_ms: int


def catch_up_history(
    rest: MarketRest,
    symbol: str,
    intervals: Sequence[str],
    now_ms: int,
    on_page: Callable[[CatchUpProgress], None],
) -> dict[str, int]:
    """Write down what a followed symbol's series lack up to now; return where each ends, in ms.

    Each page is committed on its own, oldest first, so whoever is interrupted goes on from there.
    `on_page` is called after each of them. Raises ExchangeUnreachable, Refused, and what
    the database raises while it is away.
    """
    until = stored_until(symbol, intervals)
    for interval in intervals:
        start_ms, end_ms = missing_span(interval, now_ms - MIN_KLINE_AGE_MS, until.get(interval))
        for page in fetch_history(rest, symbol, interval, start_ms, end_ms):
            record_history(symbol, interval, page, to_time(now_ms))
            until[interval] = page[-1].end_ms
            on_page(CatchUpProgress(interval, start_ms, until[interval], end_ms))
    return until


@dataclass(frozen=True)
class SeriesSpan:
    """The candles of one series that open in `[start_ms, end_ms)`."""

    symbol: Symbol
    interval: str
    start_ms: int
    end_ms: int

    @property
    def interval_ms(self) -> int:
        return INTERVALS_MS[self.interval]

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval}"

    def candles_before(self, time_ms: int) -> int:
        """Number of them that open before that time."""
        return max(0, time_ms - self.start_ms) // self.interval_ms


class BackfillPage(NamedTuple):
    """A page of a backfill: nothing before `until_ms` is left to fetch."""

    until_ms: int
    fetched: int  # klines of this page


def backfill(
    rest: MarketRest, span: SeriesSpan, stopping: threading.Event
) -> Iterator[BackfillPage]:
    """Write down the exchange's klines of a series that are not stored, oldest first.

    Its bounds are multiples of the interval. Each page is committed before it is handed on. Raises
    ExchangeUnreachable where the exchange stays away, and once `stopping` is set, and BadFrame
    where some klines cannot be read whenever they are asked for.
    """
    # One less than an answer holds: where its klines leave the boundary there is one more.
    page_length_ms = (MAX_ROWS - 1) * span.interval_ms
    for page_ms in range(span.start_ms, span.end_ms, page_length_ms):
        page_end_ms = min(page_ms + page_length_ms, span.end_ms)
        page = replace(span, start_ms=page_ms, end_ms=page_end_ms)
        yield BackfillPage(page_end_ms, with_retries(partial(_fill, rest, page), stopping))


def _fill(rest: MarketRest, page: SeriesSpan) -> int:
    """Write down the klines of a page that are not stored; return how many were fetched.

    Raises BadFrame where some could not be read: those that could are stored by then.
    """
    symbol, interval = page.symbol, page.interval
    missing = missing_open_times(symbol.pk, interval, page.start_ms, page.end_ms)
    if not missing:
        return 0
    bounds = missing[0], missing[-1] + page.interval_ms
    rows = rest.klines_page(symbol.name, interval, *bounds)
    record_history(symbol.name, interval, (from_kline(r, page.interval_ms) for r in rows), now())
    rows.check_whole("klines")
    return len(rows)


def first_kline_ms(
    rest: MarketRest, symbol: str, interval: str, start_ms: int, end_ms: int
) -> int | None:
    """The start of the interval of the exchange's first kline from `start_ms` on; None: none.

    Raises BadFrame where that cannot be read.
    """
    rows = rest.klines_page(symbol, interval, max(start_ms, EARLIEST_MS), end_ms, limit=1)
    rows.check_whole("klines")
    return floor_ms(rows[0][0], INTERVALS_MS[interval]) if rows else None


def with_retries(ask: Callable[[], T], stopping: threading.Event) -> T:
    """Ask until there is an answer, with growing pauses; ExchangeUnreachable in the end."""
    for failures in range(MAX_RETRIES):
        try:
            return ask()
        except (ExchangeUnreachable, BadFrame) as error:
            wait_s = getattr(error, "retry_after_s", 0.0)
            if stopping.is_set() or wait_s > MAX_WAIT_S:
                raise
            logger.warning("exchange.unreachable", error=str(error))
            stopping.wait(max(BACKOFF.pause_s(failures), wait_s))
    return ask()
