"""Positions read as results, for `orders.performance`."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from market.decimals import EXACT, ZERO
from market.ticks import Side
from market.times import to_ms
from orders.models import Order, Position, Trade
from orders.performance import Result, unrealised
from orders.timeline import Timeline


def results(
    last_prices: Mapping[str, Decimal], strategy: str | None = None, since: datetime | None = None
) -> dict[tuple[str, str], list[Result]]:
    """Every position's result, by strategy and quote asset, oldest first.

    `last_prices` are by symbol, in its quote asset; an open position whose symbol has none
    counts as worth its cost. With `since`, positions that were closed before don't count.
    """
    positions = Position.objects.select_related("symbol").order_by("opened_at", "pk")
    buys = Trade.objects.filter(side=Side.BUY)
    if strategy is not None:
        positions, buys = positions.filter(strategy=strategy), buys.filter(strategy=strategy)
    if since is not None:
        positions = positions.filter(Q(closed_at=None) | Q(closed_at__gte=since))
        buys = buys.filter(position__in=positions.order_by())
    invested: defaultdict[int, Decimal] = defaultdict(Decimal)
    for position_id, quote in buys.values_list("position_id", "quote_quantity"):
        invested[position_id] = EXACT.add(invested[position_id], quote)
    found: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for position in positions:
        price = last_prices.get(position.symbol.name)
        key = (position.strategy, position.symbol.quote_asset)
        found[key].append(_result(position, invested[position.pk], price))
    return dict(found)


def timelines(newest: int) -> list[Timeline]:
    """The timelines of the newest orders that were sent."""
    sent = Order.objects.filter(submitted_at__isnull=False)
    return list(sent.values_list("timeline", flat=True)[:newest])


def _result(position: Position, invested: Decimal, price: Decimal | None) -> Result:
    gain = ZERO
    if position.status == Position.Status.OPEN and price is not None:
        gain = unrealised(position.quantity, position.cost, price)
    closed_ms = None
    if position.closed_at is not None:
        closed_ms = to_ms(position.closed_at)
    return Result(invested, position.realised, gain, position.fees, closed_ms)
