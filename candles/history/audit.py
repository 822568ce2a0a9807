"""Audit: stored candles, however many, compared with the exchange's own klines."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.db.models import QuerySet

from candles.comparison import FIELDS, Differences
from candles.history.backfill import SeriesSpan, with_retries
from candles.klines import from_kline
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV
from candles.services.recording import batched, record_history
from candles.services.verification import compare
from foundation.times import to_ms
from market.rest import MAX_ROWS, MarketRest
from market.wire.rest import KlineRow

MAX_LOCKED = 200  # candles that are locked at once


@dataclass(frozen=True)
class AuditPage:
    """Findings of one page of klines. Times are open times in ms."""

    until_ms: int  # what opens before it is done
    checked: int  # stored candles
    exact: int
    not_there: int  # stored candles without a kline
    repaired: dict[int, Differences]
    differing: dict[int, Differences]  # and not repaired
    missing: list[int]  # klines without a candle; inserted where that was asked


def audit(
    rest: MarketRest, span: SeriesSpan, now: datetime, stopping: threading.Event, *, repair: bool
) -> Iterator[AuditPage]:
    """Compare all candles of a span with the exchange's klines, oldest first.

    What equals becomes exact. Everything else stays as it is, unless it is to be repaired: then
    candles become what the exchange says at once, and missing ones are inserted. Raises
    ExchangeUnreachable where the exchange stays away, and once `stopping` is set, and BadFrame
    where some klines cannot be read whenever they are asked for: their candles would seem to be
    without one.
    """
    symbol, interval, start_ms = span.symbol, span.interval, span.start_ms
    while start_ms < span.end_ms:
        ask = partial(_whole_page, rest, symbol.name, interval, start_ms, span.end_ms)
        klines = [from_kline(row, span.interval_ms) for row in with_retries(ask, stopping)]
        until_ms = klines[-1].open_ms + 1 if len(klines) == MAX_ROWS else span.end_ms
        page = replace(span, start_ms=start_ms, end_ms=until_ms)
        yield _audit_page(page, klines, now, repair)
        start_ms = until_ms


def _whole_page(
    rest: MarketRest, symbol: str, interval: str, start_ms: int, end_ms: int
) -> Sequence[KlineRow]:
    rows = rest.klines_page(symbol, interval, start_ms, end_ms)
    rows.check_whole("klines")
    return rows


def _audit_page(
    page: SeriesSpan, klines: Sequence[OHLCV], now: datetime, repair: bool
) -> AuditPage:
    symbol, interval = page.symbol, page.interval
    stored = Candle.objects.series(symbol, interval).opening_in(page.start_ms, page.end_ms)
    proven = _proven(stored, klines)
    checked, exact, not_repaired = stored.count(), len(proven), dict[int, Differences]()
    repaired, missing = dict[int, Differences](), list[int]()
    for part in batched((one for one in klines if one.open_ms not in proven), MAX_LOCKED):
        after = timedelta(0) if repair else None
        found = compare(symbol.pk, interval, part, now, repair_after=after)
        exact += len(found.exact)
        not_repaired |= found.differing
        repaired |= {to_ms(candle.open_time): candle.differed for candle in found.repaired}
        missing += found.missing
    if repair:
        wanted = set(missing)
        theirs = (one for one in klines if one.open_ms in wanted)
        record_history(symbol.name, interval, theirs, now)
    not_there = checked - exact - len(repaired) - len(not_repaired)
    return AuditPage(page.end_ms, checked, exact, not_there, repaired, not_repaired, missing)


def _proven(stored: QuerySet[Candle], klines: Sequence[OHLCV]) -> set[int]:
    """Open times of those that have their verdict and equal their klines: nearly all.

    Found without a lock, for which the stream would have to wait.
    """
    theirs = {one.open_ms: tuple(getattr(one, name) for name in FIELDS) for one in klines}
    verified = stored.exclude(verdict=Verdict.UNVERIFIED).order_by()
    rows = verified.values_list("open_time", *FIELDS)
    return {ms for time, *ours in rows if theirs.get(ms := to_ms(time)) == tuple(ours)}
