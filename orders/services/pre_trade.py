"""Orders written down, for sending or as denied; the stops of what is held."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from foundation.events import after_commit
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.rules import SymbolRules
from market.ticks import Side
from orders import queries
from orders.core.risk import Circumstances, Intent, deny, quantity_of
from orders.core.status import OrderStatus
from orders.core.stops import Stop
from orders.events import order_changed
from orders.models import Order, Position
from orders.queries import LIVE
from orders.services.entry_limits import ALL, standing_for
from orders.services.sending import send_claimed
from orders.services.transitions import REASON_LENGTH, step
from orders.venue.exchange import Exchange


# Within a caller's transaction it stands or falls with that: a savepoint would only take time.
@transaction.atomic(savepoint=False)
def open_orders(
    intents: Sequence[Intent],
    symbols: Iterable[Symbol],
    exchange: Exchange,
    *,
    now: datetime,
    send: bool = False,
    last_prices: Mapping[str, Decimal] = MappingProxyType({}),
) -> list[Order]:
    """Write orders down for sending or, with the reason, as denied; in the order given.

    With `send` they are claimed as they are written, and sent from this very process as soon as
    they are committed, before anybody is told of them. Else they wait as PENDING for a worker, and
    so does in any case a sale of what a protective stop guards: that has to end first. The caller
    has a worker come for them (`orders.tasks.queue_orders`); if it can't, the sweep does.

    The same client order id twice is the same order. An earlier intent counts for a later one:
    a strategy has at most one order under way on a symbol. `last_prices` are by symbol, as far
    as they are known.
    """
    if any(intent.side is Side.BUY for intent in intents):
        queries.take_turn()  # before positions are locked: no sale of one waits for a turn
    situation = _Situation(intents, symbols, exchange, now, last_prices)
    orders = _known(intents)  # not before the series are locked: another worker may be writing them
    fresh = []
    for intent in intents:
        if intent.client_order_id not in orders:
            order = situation.admit(intent)
            orders[intent.client_order_id] = order
            fresh.append(order)
    if fresh:
        if send:  # registered first: an order leaves before anybody is told of it
            claimed = _claim([order for order in fresh if not situation.guards(order)], now)
            after_commit("orders.send", partial(send_claimed, exchange=exchange), claimed)
        write(fresh, now)
    return [orders[intent.client_order_id] for intent in intents]


class _Situation:
    """What intents are held against, and how each that passes changes it for the next.

    Made within a transaction, which locks what the intents' strategies hold. Nobody else opens an
    order in these series meanwhile, nor lets any entry pass.
    """

    def __init__(
        self,
        intents: Sequence[Intent],
        symbols: Iterable[Symbol],
        exchange: Exchange,
        now: datetime,
        last_prices: Mapping[str, Decimal],
    ) -> None:
        series = {(intent.strategy, intent.symbol_id) for intent in intents}
        self._now = now
        self._clock_known = exchange.clock_known
        self._symbols = {symbol.pk: symbol for symbol in symbols}
        self._last_prices = last_prices
        self._held = queries.lock_held(series)
        self._live, self._guarded, self._alarmed = queries.under_way(series)
        self._standing = standing_for(intents, self._symbols.values(), now)

    def guards(self, order: Order) -> bool:
        """Whether a protective stop of the order's series has not ended."""
        return (order.strategy, order.symbol_id) in self._guarded

    def admit(self, intent: Intent) -> Order:
        """Its order, to be sent or denied, not written yet; what passes counts for the next."""
        symbol, circumstances = self._symbols[intent.symbol_id], self._circumstances(intent)
        denial = deny(intent, circumstances)
        if denial is None:
            self._live[intent.strategy, intent.symbol_id].add(intent.side)
            if intent.side is Side.BUY:
                self._standing.count(intent, circumstances)
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
            created_at=self._now,
            ended_at=self._now if denial else None,
            expires_at=to_time(intent.expires_ms),
            timeline=dict(intent.timeline),
        )

    def _circumstances(self, intent: Intent) -> Circumstances:
        series, symbol = (intent.strategy, intent.symbol_id), self._symbols[intent.symbol_id]
        standing = self._standing
        return Circumstances(
            now_ms=to_ms(self._now),
            trading_enabled=settings.TRADING_ENABLED,
            entries_halted=standing.halted,
            symbol_status=symbol.status,
            base_asset=symbol.base_asset,
            order_quantity=symbol.order_quantity,
            rules=SymbolRules.from_filters(symbol.filters),
            held=self._held.get(series),
            live=frozenset(self._live[series]),
            guarded=series in self._guarded,
            unreconciled=symbol.pk in self._alarmed,
            quote_asset=symbol.quote_asset,
            limits=standing.limits,
            clock_known=self._clock_known,
            entries=standing.entries[intent.strategy],
            fall=standing.fall(intent.strategy, symbol.quote_asset),
            total_fall=standing.fall(ALL, symbol.quote_asset),
            free=standing.free.get(symbol.quote_asset),
            last_price=self._last_prices.get(symbol.name),
        )


def open_stops() -> list[Stop]:
    """The stops of all open positions that are not already being sold.

    That one has a protective stop at the exchange changes nothing: we watch it all the same.
    """
    selling = Order.objects.filter(
        strategy=OuterRef("strategy"),
        symbol=OuterRef("symbol"),
        side=Side.SELL,
        kind=Order.Kind.MARKET,
        status__in=LIVE,
    )
    positions = Position.objects.filter(~Exists(selling), status=Position.Status.OPEN)
    return [
        Stop(pk, name, price, to_ms(opened_at))
        for pk, name, price, opened_at in positions.values_list(
            "pk", "symbol__name", "stop_price", "opened_at"
        )
        if price is not None
    ]


def _known(intents: Sequence[Intent]) -> dict[str, Order]:
    """Orders written down before, by client order id."""
    known = queries.known([intent.client_order_id for intent in intents])
    if not known:
        return {}
    orders = Order.objects.filter(client_order_id__in=known)
    return {order.client_order_id: order for order in orders}


def _claim(orders: Iterable[Order], now: datetime) -> list[Order]:
    """Take those that are not denied for sending; none of them is written yet."""
    claimed = [order for order in orders if order.status == OrderStatus.PENDING]
    for order in claimed:
        order.status, order.submitted_at = OrderStatus.SUBMITTED, now
    return claimed


def write(orders: Sequence[Order], now: datetime) -> None:
    """Write new orders with their history: a claimed one was pending for no time at all."""
    claimed = [order for order in orders if order.status == OrderStatus.SUBMITTED]
    queries.insert_orders(orders)
    first = [step(order, OrderStatus.PENDING, now) for order in claimed]
    first += [step(order, order.status, now) for order in orders]
    queries.insert_changes(first)
    order_changed.announce([order for order in orders if order.status != OrderStatus.SUBMITTED])
