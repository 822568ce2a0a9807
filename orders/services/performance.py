"""Results of positions and timelines of orders, read for their figures."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q, QuerySet

from foundation.decimals import EXACT, ZERO
from foundation.times import to_ms
from market.ticks import Side
from orders.core.performance import OtherFee, PositionResult, unrealised
from orders.core.timeline import Timeline
from orders.models import Adjustment, Order, Position, Trade


def position_results(
    last_prices: Mapping[str, Decimal],
    strategy: str | None = None,
    since: datetime | None = None,
    among: Q | None = None,
) -> dict[tuple[str, str], list[PositionResult]]:
    """Every position's result, by strategy and quote asset, in the order in which they closed.

    `last_prices` are by symbol, in its quote asset; an open position whose symbol has none
    counts as worth its cost, and a fee in a third asset (BNB) has a value where the symbol of that
    asset in the quote asset has a price: what it is worth now, not what it was then. With `since`,
    positions that were closed before don't count; with `among`, those alone that it finds.
    """
    positions = Position.objects.select_related("symbol").order_by()
    if strategy is not None:
        positions = positions.filter(strategy=strategy)
    if since is not None:
        positions = positions.filter(Q(closed_at=None) | Q(closed_at__gte=since))
    if among is not None:
        positions = positions.filter(among)
    trades = Trade.objects.order_by()
    if since is not None or among or strategy is not None:
        trades = trades.filter(position__in=positions)
    invested: defaultdict[int, Decimal] = defaultdict(Decimal)
    buys = trades.filter(side=Side.BUY).values_list("position_id", "quote_quantity")
    for position_id, quote in buys:
        invested[position_id] = EXACT.add(invested[position_id], quote)
    charged = _charged(trades)
    found: defaultdict[tuple[str, str], list[PositionResult]] = defaultdict(list)
    for position in sorted(positions, key=_closing):
        price = last_prices.get(position.symbol.name)
        key = (position.strategy, position.symbol.quote_asset)
        fees = tuple(_other_fee(*fee, key[1], last_prices) for fee in charged[position.pk].items())
        found[key].append(_result(position, invested[position.pk], price, fees))
    return dict(found)


def timelines(newest: int) -> list[Timeline]:
    """The timelines of the newest orders that were sent."""
    sent = Order.objects.filter(submitted_at__isnull=False)
    return list(sent.values_list("timeline", flat=True)[:newest])


def _closing(position: Position) -> tuple[datetime, int]:
    """The place in the order in which positions closed; sorted here, for sorting by an index would
    have the database go through all of them.
    """
    return position.closed_at or position.opened_at, position.pk


def _charged(trades: QuerySet[Trade]) -> Mapping[int, dict[str, Decimal]]:
    """Fees in third assets, by position and asset.

    What a position in that asset paid of a fee is a loss of that position already.
    """
    own = (F("symbol__base_asset"), F("symbol__quote_asset"))
    charged: defaultdict[int, dict[str, Decimal]] = defaultdict(dict)
    paid: defaultdict[int, Decimal] = defaultdict(Decimal)
    for trade_id, quantity in Adjustment.objects.fees().values_list("trade_id", "quantity"):
        paid[trade_id] = EXACT.add(paid[trade_id], quantity)
    rows = trades.exclude(commission_asset__in=own)
    for trade_id, position_id, asset, commission in rows.values_list(
        "pk", "position_id", "commission_asset", "commission"
    ):
        if amount := EXACT.subtract(commission, paid.get(trade_id, ZERO)):
            fees = charged[position_id]
            fees[asset] = EXACT.add(fees.get(asset, ZERO), amount)
    return charged


def _other_fee(
    asset: str, amount: Decimal, quote: str, last_prices: Mapping[str, Decimal]
) -> OtherFee:
    price = last_prices.get(f"{asset}{quote}")  # so the exchange names its symbols
    return OtherFee(asset, amount, None if price is None else EXACT.multiply(amount, price))


def _result(
    position: Position, invested: Decimal, price: Decimal | None, fees: tuple[OtherFee, ...]
) -> PositionResult:
    gain = ZERO
    if position.status == Position.Status.OPEN and price is not None:
        gain = unrealised(position.quantity, position.cost, price)
    closed_ms = None
    if position.closed_at is not None:
        closed_ms = to_ms(position.closed_at)
    return PositionResult(invested, position.realised, gain, position.fees, closed_ms, fees)
