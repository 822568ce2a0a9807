"""Candles compared with the exchange's own klines, and repaired where a difference persists."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import redis
import structlog
from django.db import transaction
from django.db.models import QuerySet

from candles.comparison import FIELDS, Differences, differences
from candles.events import candle_verified
from candles.intervals import HOUR_MS, INTERVALS_MS
from candles.models import Candle, CandleRevision, Verdict
from candles.ohlcv import OHLCV
from candles.services.kline_requests import AbsentKlines, OpenTimes, kline_requests
from candles.services.revising import revise, values_of
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.rest import MarketRest
from market.wire.frames import KlineEvent

# A kline may lag behind the trades, or err for a moment: only what it says for so long counts.
REPAIR_AFTER = timedelta(seconds=10)
MAX_ANNOUNCED_AGE = timedelta(
    days=1
)  # no page shows older ones, and an audit of years would flood it
MIN_CLOSED_MS = 4_000  # a kline lags behind the trades for a moment
MAX_CLOSED_MS = 24 * HOUR_MS  # older candles are the audit's
MAX_CANDLES = 20_000  # in one sweep
logger = structlog.get_logger(__name__)


@dataclass
class Comparison:
    """Candles of one series compared with klines. Times are open times in ms."""

    exact: list[Candle] = field(default_factory=list)
    repaired: list[Candle] = field(default_factory=list)
    differing: dict[int, Differences] = field(default_factory=dict)  # and not repaired yet
    missing: list[int] = field(default_factory=list)  # klines without a candle of ours


def verify_recent(rest: MarketRest, client: redis.Redis, now: datetime) -> None:
    """Compare candles that closed lately and have no verdict with the exchange's klines.

    `now` is by the exchange's clock. Raises ExchangeUnreachable; verdicts given until then stay.
    """
    absent = AbsentKlines(client, to_ms(now))
    for request in kline_requests(_unverified(to_ms(now)), absent):
        klines = request.fetch(rest)
        found = compare(request.symbol.pk, request.interval, list(klines.values()), now)
        absent.remember(request, klines)
        logger.info(
            "candles.verified", symbol=request.symbol.name, interval=request.interval,
            exact=len(found.exact), repaired=len(found.repaired), differing=len(found.differing),
            absent=len(request.open_times) - len(klines),
        )  # fmt: skip


@transaction.atomic
def compare(
    symbol_id: int,
    interval: str,
    klines: Sequence[OHLCV],
    now: datetime,
    *,
    repair_after: timedelta | None = REPAIR_AFTER,
) -> Comparison:
    """Give candles of one series their verdicts, and repair those that are due.

    A candle becomes the exchange's kline once that has differed in the same way for
    `repair_after`, and counts as repaired once a later answer says the same again; with 0 that
    is not waited for. None says that the klines are not to be relied upon so far: they may
    prove a candle exact and nothing else. What a candle of an archive lacks is taken over.
    """
    found = Comparison()
    ours = _locked(symbol_id, interval, (kline.open_ms for kline in klines))
    for kline in klines:
        candle = ours.get(kline.open_ms)
        if candle is None:
            found.missing.append(kline.open_ms)
        elif not (differing := differences(values_of(candle), kline)):
            _complete(candle, kline)
            found.exact.append(candle)
        elif repair_after is None:
            found.differing[kline.open_ms] = differing
        elif _persists(candle, differing, now, repair_after):
            verdict = Verdict.UNVERIFIED if repair_after else Verdict.REPAIRED
            _repair(candle, kline, differing, now, verdict)
            found.repaired.append(candle)
        else:
            _doubt(candle, differing, now)
            found.differing[kline.open_ms] = differing
    _mark_verified(found.exact, now)
    return found


@transaction.atomic
def confirm(klines: Sequence[KlineEvent], now: datetime) -> list[KlineEvent]:
    """Prove candles of any series exact by what the exchange said when they closed.

    Returns the klines that have no candle yet. One that differs proves nothing: events are not
    repeated and REST is asked before anything is repaired.
    """
    names = {kline.symbol for kline in klines}
    symbol_ids = Symbol.objects.filter(name__in=names).values_list("pk", flat=True)
    rows = Candle.objects.opening_at({kline.open_ms for kline in klines}).locked()
    rows = rows.filter(
        symbol__in=list(symbol_ids), interval__in={kline.interval for kline in klines}
    )
    found = rows.order_by("open_time", "pk")
    ours = {(row.symbol.name, row.interval, to_ms(row.open_time)): row for row in found}
    exact, missing = [], []
    for kline in klines:
        candle = ours.get((kline.symbol, kline.interval, kline.open_ms))
        if candle is None:
            missing.append(kline)
        elif not differences(values_of(candle), kline):
            exact.append(candle)
    _mark_verified(exact, now)
    return missing


def _unverified(now_ms: int) -> OpenTimes:
    """Candles without a verdict that closed lately."""
    longest = timedelta(milliseconds=MAX_CLOSED_MS + max(INTERVALS_MS.values()))
    rows = Candle.objects.unverified().filter(
        open_time__gte=to_time(now_ms) - longest,
        open_time__lt=to_time(now_ms - MIN_CLOSED_MS),
    )
    keys = rows.order_by("open_time").values_list("symbol", "interval", "open_time")[:MAX_CANDLES]
    by_series: dict[tuple[int, str], list[int]] = defaultdict(list)
    for symbol_id, interval, open_time in keys:
        open_ms = to_ms(open_time)
        closed_for_ms = now_ms - open_ms - INTERVALS_MS[interval]
        if MIN_CLOSED_MS <= closed_for_ms <= MAX_CLOSED_MS:
            by_series[symbol_id, interval].append(open_ms)
    symbols = Symbol.objects.in_bulk({symbol_id for symbol_id, _ in by_series})
    return {(symbols[key], interval): times for (key, interval), times in by_series.items()}


def _locked(symbol_id: int, interval: str, open_times: Iterable[int]) -> dict[int, Candle]:
    # In the order of the index: by primary key SQLite would look through the symbol's all candles.
    rows = Candle.objects.series(symbol_id, interval).opening_at(open_times).locked()
    return {to_ms(row.open_time): row for row in rows.order_by("open_time")}


def _persists(
    candle: Candle, differing: Differences, now: datetime, repair_after: timedelta
) -> bool:
    since = candle.differed_since if candle.differed == differing else now
    return since is not None and now - since >= repair_after


def _doubt(candle: Candle, differing: Differences, now: datetime) -> None:
    """Note a difference that is new; it counts from now on."""
    if candle.differed == differing and candle.verdict == Verdict.UNVERIFIED:
        return
    candle.verdict, candle.differed, candle.differed_since = Verdict.UNVERIFIED, differing, now
    candle.save(update_fields=["verdict", "differed", "differed_since"])


def _repair(
    candle: Candle, kline: OHLCV, differing: Differences, now: datetime, verdict: Verdict
) -> None:
    values = {name: getattr(kline, name) for name in FIELDS}
    fields = {"verdict": verdict, "differed": differing, "differed_since": None}
    revise(candle, values, CandleRevision.Cause.REPAIR, now, **fields)


def _complete(candle: Candle, kline: OHLCV) -> None:
    lacking = [name for name in FIELDS if getattr(candle, name) is None]
    for name in lacking:
        setattr(candle, name, getattr(kline, name))
    if lacking:
        candle.save(update_fields=lacking)


def _mark_verified(equal: Sequence[Candle], now: datetime) -> None:
    """Candles that equal the exchange's klines become exact; those made to equal, repaired."""
    verified = [candle for candle in equal if candle.verdict == Verdict.UNVERIFIED]
    repaired = [candle for candle in verified if candle.is_adopted]
    exact = [candle for candle in verified if not candle.is_adopted]
    for candle in repaired:
        candle.verdict = Verdict.REPAIRED
    for candle in exact:
        candle.verdict, candle.differed, candle.differed_since = Verdict.EXACT, {}, None
    _rows(repaired).update(verdict=Verdict.REPAIRED)
    _rows(exact).update(verdict=Verdict.EXACT, differed={}, differed_since=None)
    candle_verified.announce([one for one in verified if now - one.open_time <= MAX_ANNOUNCED_AGE])


def _rows(candles: Sequence[Candle]) -> QuerySet[Candle]:
    return Candle.objects.filter(pk__in=[candle.pk for candle in candles])
