"""Candles held against the exchange's own klines, and repaired where a difference persists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet

from candles.comparison import FIELDS, Differences, differences
from candles.events import candle_verified
from candles.intervals import INTERVALS_MS, floor_ms
from candles.models import Candle, CandleRevision, Verdict
from candles.ohlcv import OHLCV
from candles.services.revising import revise, values_of
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.wire import KlineEvent

# A kline may lag behind the trades, or err for a moment: only what it says for so long counts.
REPAIR_AFTER = timedelta(seconds=10)
TOLD_WITHIN = timedelta(days=1)  # no page shows what is older; an audit of years would flood it
logger = structlog.get_logger(__name__)


@dataclass
class Held:
    """What came of holding candles against klines. Times are open times in ms."""

    exact: list[Candle] = field(default_factory=list)
    repaired: list[Candle] = field(default_factory=list)
    differing: dict[int, Differences] = field(default_factory=dict)  # and not repaired yet
    missing: list[int] = field(default_factory=list)  # klines without a candle of ours


@transaction.atomic
def hold_against(
    symbol_id: int,
    interval: str,
    klines: Sequence[OHLCV],
    now: datetime,
    *,
    repair_after: timedelta | None = REPAIR_AFTER,
) -> Held:
    """Give candles of one series their verdicts, and repair those that are due.

    A candle becomes the exchange's kline once that has differed in the same way for
    `repair_after`, and counts as repaired once a later answer says the same again; with 0 that
    is not waited for. None says that the klines are not to be relied upon so far: they may
    prove a candle exact and nothing else. What a candle of an archive lacks is taken over.
    """
    held = Held()
    ours = _locked(symbol_id, interval, (kline.open_ms for kline in klines))
    for kline in klines:
        candle = ours.get(kline.open_ms)
        if candle is None:
            held.missing.append(kline.open_ms)
        elif not (differing := differences(values_of(candle), kline)):
            _complete(candle, kline)
            held.exact.append(candle)
        elif repair_after is None:
            held.differing[kline.open_ms] = differing
        elif _persists(candle, differing, now, repair_after):
            verdict = Verdict.UNVERIFIED if repair_after else Verdict.REPAIRED
            _repair(candle, kline, differing, now, verdict)
            held.repaired.append(candle)
        else:
            _doubt(candle, differing, now)
            held.differing[kline.open_ms] = differing
    _settle(held.exact, now)
    return held


@transaction.atomic
def confirm(klines: Sequence[KlineEvent], now: datetime) -> list[KlineEvent]:
    """Prove candles of any series exact by what the exchange said when they closed.

    Returns the klines that have no candle yet. One that differs proves nothing: events are not
    repeated and REST is asked before anything is repaired.
    """
    names = {kline.symbol for kline in klines}
    symbol_ids = Symbol.objects.filter(name__in=names).values_list("pk", flat=True)
    rows = Candle.objects.select_for_update(of=("self",)).order_by("open_time", "pk")
    rows = rows.filter(
        symbol__in=list(symbol_ids),
        interval__in={kline.interval for kline in klines},
        open_time__in={to_time(kline.open_ms) for kline in klines},
    )
    found = rows.select_related("symbol")
    ours = {(row.symbol.name, row.interval, to_ms(row.open_time)): row for row in found}
    exact, missing = [], []
    for kline in klines:
        candle = ours.get((kline.symbol, kline.interval, kline.open_ms))
        if candle is None:
            missing.append(kline)
        elif not differences(values_of(candle), kline):
            exact.append(candle)
    _settle(exact, now)
    return missing


def missing_from(symbol_id: int, interval: str, start_ms: int, end_ms: int) -> list[int]:
    """Open times of the candles that are not stored, of those that open in `[start, end)`.

    Both bounds are multiples of the interval. Where the exchange's own open off the boundary, as
    some of 2017 and 2018 do, one stands for the interval that it opens in.
    """
    interval_ms = INTERVALS_MS[interval]
    stored = Candle.objects.filter(
        symbol=symbol_id,
        interval=interval,
        open_time__gte=to_time(start_ms),
        open_time__lt=to_time(end_ms),
    )
    times = stored.order_by().values_list("open_time", flat=True)
    there = {floor_ms(to_ms(time), interval_ms) for time in times}
    return [ms for ms in range(start_ms, end_ms, interval_ms) if ms not in there]


def _locked(symbol_id: int, interval: str, open_times: Iterable[int]) -> dict[int, Candle]:
    # In the order of the index: by primary key SQLite would look through the symbol's all candles.
    rows = Candle.objects.select_for_update(of=("self",)).order_by("open_time")
    times = [to_time(open_ms) for open_ms in open_times]
    rows = rows.filter(symbol=symbol_id, interval=interval, open_time__in=times)
    return {to_ms(row.open_time): row for row in rows.select_related("symbol")}


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


def _settle(equal: Sequence[Candle], now: datetime) -> None:
    """What equals the exchange's kline is exact; what was made to, repaired."""
    settled = [candle for candle in equal if candle.verdict == Verdict.UNVERIFIED]
    repaired = [candle for candle in settled if candle.is_adopted]
    exact = [candle for candle in settled if not candle.is_adopted]
    for candle in repaired:
        candle.verdict = Verdict.REPAIRED
    for candle in exact:
        candle.verdict, candle.differed, candle.differed_since = Verdict.EXACT, {}, None
    _rows(repaired).update(verdict=Verdict.REPAIRED)
    _rows(exact).update(verdict=Verdict.EXACT, differed={}, differed_since=None)
    candle_verified.announce([one for one in settled if now - one.open_time <= TOLD_WITHIN])


def _rows(candles: Sequence[Candle]) -> QuerySet[Candle]:
    return Candle.objects.filter(pk__in=[candle.pk for candle in candles])
