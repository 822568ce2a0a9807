"""Sums of closed positions brought up to date, a few at a time.

Whoever reads them does so first, and a sweep does it meanwhile. Each position is added once: it is
marked in the transaction that adds it. One that changes afterwards makes the sums stale
(`Position.save`), and so does one that is found to have closed before the last one added.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from foundation.decimals import EXACT
from foundation.times import to_ms
from market.models import Symbol
from market.ticks import Side
from orders.core.sums import ClosedSums
from orders.models import EVERYTHING, Position, ResultSums, Trade

BATCH = 1000  # positions a transaction
SETTLED_AFTER = timedelta(seconds=2)  # commits come in another order than times, if not by much
ALL = ""  # of strategies
Key = tuple[str, str]  # strategy, quote asset
Rows = dict[Key, ResultSums]


class KeptSums(NamedTuple):
    """Sums by strategy ("" for all) and quote asset, over all positions up to the one that closed
    at `closed_at` and has the key `last_position`; over none of the quote assets `without`.
    """

    by_key: Mapping[Key, ClosedSums]
    closed_at: datetime | None
    last_position: int
    without: frozenset[str]

    @property
    def rest(self) -> Q:
        """The positions that are not in the sums: open, closed since, or not to be summed."""
        if self.closed_at is None:
            return Q()
        wanted = Q(closed_at=None) | Q(closed_at__gte=self.closed_at)
        wanted &= ~Q(closed_at=self.closed_at, pk__lte=self.last_position)
        if not self.without:
            return wanted
        return wanted | Q(symbol__in=Symbol.objects.filter(quote_asset__in=self.without))


def sum_up(now: datetime) -> None:
    """Add all positions to the sums that closed since, oldest first."""
    until = now - SETTLED_AFTER
    while _is_due(until):
        _sum_batch(until)


def kept_sums() -> KeptSums:
    """The sums as they stand, read at once."""
    rows = _by_key(ResultSums.objects.all())
    end = rows.pop((ALL, EVERYTHING), None)
    if end is None or end.stale:
        return KeptSums({}, None, 0, frozenset())
    without = _inexact(rows)
    sums = {
        key: ClosedSums.from_json(row.sums) for key, row in rows.items() if key[1] not in without
    }
    return KeptSums(sums, end.closed_at, end.last_position, without)


def _is_due(until: datetime) -> bool:
    stale = ResultSums.objects.filter(quote_asset=EVERYTHING, stale=True)
    inexact = _inexact(_by_key(ResultSums.objects.filter(exact=False).defer("sums")))
    return stale.exists() or _unsummed(until, inexact).exists()


@transaction.atomic
def _sum_batch(until: datetime) -> None:
    ResultSums.objects.get_or_create(strategy=ALL, quote_asset=EVERYTHING)
    end = ResultSums.objects.select_for_update().get(strategy=ALL, quote_asset=EVERYTHING)
    if end.stale:
        _begin_anew(end)
    rows = _by_key(ResultSums.objects.exclude(quote_asset=EVERYTHING))
    found = list(
        _unsummed(until, _inexact(rows))
        .select_for_update(of=("self",), skip_locked=connection.vendor == "postgresql")
        .values_list("pk", "strategy", "symbol__quote_asset", "realised", "fees", "closed_at")[
            :BATCH
        ]
    )
    if not found:
        return
    first, *_, closed_at = found[0]
    if end.closed_at is not None and (closed_at, first) < (end.closed_at, end.last_position):
        end.stale = True  # it closed before one that is in the sums already
    else:
        _add(rows, found)
        end.closed_at, end.last_position = found[-1][5], found[-1][0]
    end.save()


def _begin_anew(end: ResultSums) -> None:
    ResultSums.objects.exclude(pk=end.pk).delete()
    Position.objects.filter(summed=True).update(summed=False)
    end.stale, end.closed_at, end.last_position = False, None, 0


def _by_key(rows: Iterable[ResultSums]) -> Rows:
    return {(row.strategy, row.quote_asset): row for row in rows}


def _inexact(rows: Rows) -> frozenset[str]:
    return frozenset(quote for (_, quote), row in rows.items() if not row.exact)


def _unsummed(until: datetime, inexact: Collection[str]) -> QuerySet[Position]:
    closed = Position.objects.filter(summed=False, closed_at__lt=until)
    if inexact:
        closed = closed.exclude(symbol__quote_asset__in=inexact)
    return closed.order_by("closed_at", "pk")


def _add(rows: Rows, found: Sequence[Any]) -> None:
    keys = [pk for pk, *_ in found]
    invested, inexact = _invested(keys), _with_other_fees(keys)
    sums: dict[Key, ClosedSums] = {}
    for pk, strategy, quote, realised, fees, closed_at in found:
        for key in ((strategy, quote), (ALL, quote)):
            if key not in rows:
                rows[key] = ResultSums(strategy=key[0], quote_asset=quote)
            if key not in sums:
                stored = rows[key].sums
                sums[key] = ClosedSums.from_json(stored) if stored else ClosedSums()
            rows[key].exact &= pk not in inexact
            sums[key].add_position(realised, realised, fees, invested[pk], to_ms(closed_at))
    for key, added in sums.items():
        rows[key].sums = added.as_json()
        rows[key].save()
    Position.objects.filter(pk__in=keys).update(summed=True)


def _invested(keys: Collection[int]) -> defaultdict[int, Decimal]:
    invested: defaultdict[int, Decimal] = defaultdict(Decimal)
    buys = Trade.objects.filter(position__in=keys, side=Side.BUY)
    for position_id, quote in buys.values_list("position_id", "quote_quantity"):
        invested[position_id] = EXACT.add(invested[position_id], quote)
    return invested


def _with_other_fees(keys: Collection[int]) -> set[int]:
    """Those of the positions that paid a fee in neither of their symbol's assets."""
    own = (F("symbol__base_asset"), F("symbol__quote_asset"))
    trades = Trade.objects.filter(position__in=keys).exclude(Q(commission_asset__in=own))
    return {pk for pk, fee in trades.values_list("position_id", "commission") if fee}
