"""Orders written down, for sending or as denied; the stops of what is held."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import or_

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from market.models import Symbol
from market.rules import SymbolRules
from market.ticks import Side
from market.times import to_ms, to_time
from orders.events import order_changed, order_opened
from orders.models import Order, Position
from orders.risk import Circumstances, Intent, deny, quantity_of
from orders.services.halts import entries_halted
from orders.services.life import REASON_LENGTH, note
from orders.status import ENDED, OrderStatus
from orders.stops import Stop

LIVE = [status for status in OrderStatus if status not in ENDED]
Series = tuple[str, int]  # strategy, symbol


# Within a caller's transaction it stands or falls with that: a savepoint would only take time.
@transaction.atomic(savepoint=False)
def open_orders(
    intents: Sequence[Intent], symbols: Iterable[Symbol], *, now: datetime
) -> list[Order]:
    """Write orders down for sending or, with the reason, as denied; in the order given.

    The same client order id twice is the same order. An earlier intent counts for a later one:
    a strategy has at most one order under way on a symbol.
    """
    by_id = {symbol.pk: symbol for symbol in symbols}
    held = _lock_positions(intents)
    orders, live = _known_and_live(intents)
    halted = entries_halted()
    fresh = []
    for intent in intents:
        if intent.client_order_id in orders:
            continue
        series, symbol = (intent.strategy, intent.symbol_id), by_id[intent.symbol_id]
        now_is = _circumstances(symbol, held.get(series), live[series], halted, now)
        order = _order_for(intent, symbol, now_is, now)
        orders[intent.client_order_id] = order
        fresh.append(order)
        if order.status == OrderStatus.PENDING:
            live[series].add(intent.side)
    _write(fresh, now)
    return [orders[intent.client_order_id] for intent in intents]


def open_stops() -> list[Stop]:
    """The stops of all open positions that are not already being sold."""
    selling = Order.objects.filter(
        strategy=OuterRef("strategy"), symbol=OuterRef("symbol"), side=Side.SELL, status__in=LIVE
    )
    positions = Position.objects.filter(~Exists(selling), status=Position.Status.OPEN)
    return [
        Stop(pk, name, price, to_ms(opened_at))
        for pk, name, price, opened_at in positions.values_list(
            "pk", "symbol__name", "stop_price", "opened_at"
        )
        if price is not None
    ]


def _lock_positions(intents: Sequence[Intent]) -> dict[Series, Decimal]:
    """What is held, by strategy and symbol; locked, so that no second sale is written."""
    # These pairs and no others: whoever locks more than it needs, in another order than the
    # next one, may wait for that one for ever.
    pairs = {(intent.strategy, intent.symbol_id) for intent in intents}
    ours = reduce(or_, (Q(strategy=strategy, symbol_id=symbol) for strategy, symbol in pairs), Q())
    rows = Position.objects.select_for_update().order_by("pk")
    rows = rows.filter(ours, status=Position.Status.OPEN)
    return {
        (strategy, symbol_id): quantity
        for strategy, symbol_id, quantity in rows.values_list("strategy", "symbol_id", "quantity")
    }


def _known_and_live(
    intents: Sequence[Intent],
) -> tuple[dict[str, Order], defaultdict[Series, set[Side]]]:
    """Orders written down before, by client order id, and the sides that are under way."""
    wanted = {intent.client_order_id for intent in intents}
    under_way = Q(
        status__in=LIVE,
        strategy__in={intent.strategy for intent in intents},
        symbol_id__in={intent.symbol_id for intent in intents},
    )
    known, live = {}, defaultdict[Series, set[Side]](set)
    # Two queries in one: this stands between a candle's close and its order.
    for order in Order.objects.filter(Q(client_order_id__in=wanted) | under_way).order_by():
        if order.client_order_id in wanted:
            known[order.client_order_id] = order
        if order.status in LIVE:
            live[order.strategy, order.symbol_id].add(Side(order.side))
    return known, live


def _circumstances(
    symbol: Symbol, held: Decimal | None, live: set[Side], halted: bool, now: datetime
) -> Circumstances:
    return Circumstances(
        now_ms=to_ms(now),
        trading_enabled=settings.TRADING_ENABLED,
        entries_halted=halted,
        symbol_status=symbol.status,
        base_asset=symbol.base_asset,
        order_quantity=symbol.order_quantity,
        rules=SymbolRules.from_filters(symbol.filters),
        held=held,
        live=frozenset(live),
    )


def _order_for(
    intent: Intent, symbol: Symbol, circumstances: Circumstances, now: datetime
) -> Order:
    denial = deny(intent, circumstances)
    return Order(
        client_order_id=intent.client_order_id,
        strategy=intent.strategy,
        symbol=symbol,
        side=intent.side,
        quantity=quantity_of(intent, circumstances),
        price_seen=intent.price,
        stop_loss=intent.stop_loss,
        status=OrderStatus.DENIED if denial else OrderStatus.PENDING,
        reason=str(denial)[:REASON_LENGTH] if denial else "",
        created_at=now,
        ended_at=now if denial else None,
        expires_at=to_time(intent.expires_ms),
    )


def _write(orders: Sequence[Order], now: datetime) -> None:
    if not orders:
        return
    Order.objects.bulk_create(orders)
    note(orders, now)
    # First what is to be sent: telling the page can wait for that.
    order_opened.announce([order for order in orders if order.status == OrderStatus.PENDING])
    order_changed.announce([order for order in orders if order.status == OrderStatus.DENIED])
