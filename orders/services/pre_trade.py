"""Pre-trade checks: orders written down, for sending or as denied."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType

from django.conf import settings
from django.db import transaction

from foundation.events import after_commit
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.rules import SymbolRules
from market.ticks import Side
from orders import queries
from orders.core.exits import ExitReason
from orders.core.risk import Intent, RiskContext, check_intent, quantity_of
from orders.core.status import OrderStatus
from orders.events import order_changed
from orders.models import Order
from orders.services.entry_limits import ALL_STRATEGIES, read_entry_limits
from orders.services.sending import send_claimed
from orders.services.transitions import REASON_LENGTH, change_of
from orders.venue.exchange import Exchange


# Within a caller's transaction it stands or falls with that: a savepoint would only take time.
@transaction.atomic(savepoint=False)
def create_orders(
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
        queries.lock_entries()  # before positions are locked: no sale waits for an entry's lock
    check = PreTradeCheck(intents, symbols, exchange, now, last_prices)
    # Not before the series are locked: another worker may be writing them.
    orders = _existing(intents)
    fresh = []
    for intent in intents:
        if intent.client_order_id not in orders:
            order = check.new_order(intent)
            orders[intent.client_order_id] = order
            fresh.append(order)
    if fresh:
        if send:  # registered first: an order leaves before anybody is told of it
            claimed = _claim([order for order in fresh if not check.has_resting_stop(order)], now)
            after_commit("orders.send", partial(send_claimed, exchange=exchange), claimed)
        check.decide_exits()
        write_orders(fresh, now)
    return [orders[intent.client_order_id] for intent in intents]


class PreTradeCheck:
    """Checks of intents, one after the other: each that passes counts for the next.

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
        self._rules = {
            pk: SymbolRules.from_filters(symbol.filters) for pk, symbol in self._symbols.items()
        }
        self._last_prices = last_prices
        self._held = queries.lock_positions(series)
        self._exits: defaultdict[ExitReason, list[int]] = defaultdict(list)
        self._live = queries.live_orders(series)
        bounded = {
            symbol.base_asset
            for pk, symbol in self._symbols.items()
            if self._rules[pk].max_position is not None
        }
        self._limits = read_entry_limits(intents, self._symbols.values(), bounded, now)

    def has_resting_stop(self, order: Order) -> bool:
        """A protective stop of the order's series has not ended."""
        return (order.strategy, order.symbol_id) in self._live.with_stop

    def decide_exits(self) -> None:
        """Write down what new orders were to sell. It stands, whatever becomes of them."""
        for reason, position_ids in self._exits.items():
            queries.decide_exits(position_ids, reason, self._now)

    def new_order(self, intent: Intent) -> Order:
        """The intent's order, pending or denied, not written yet; what passes counts for the
        next.
        """
        symbol, context = self._symbols[intent.symbol_id], self._context(intent)
        denial = check_intent(intent, context)
        if intent.side is Side.SELL and (held := self._held.get((intent.strategy, symbol.pk))):
            self._exits[intent.reason].append(held.position_id)
        if denial is None:
            self._live.sides[intent.strategy, intent.symbol_id].add(intent.side)
            if intent.side is Side.BUY:
                self._limits.count_entry(intent, context)
        return Order(
            client_order_id=intent.client_order_id,
            strategy=intent.strategy,
            symbol=symbol,
            side=intent.side,
            quantity=quantity_of(intent, context),
            reference_price=intent.price,
            stop_loss=intent.stop_loss,
            status=OrderStatus.DENIED if denial else OrderStatus.PENDING,
            reason=str(denial)[:REASON_LENGTH] if denial else "",
            created_at=self._now,
            ended_at=self._now if denial else None,
            expires_at=to_time(intent.expires_ms),
            timeline=dict(intent.timeline),
        )

    def _context(self, intent: Intent) -> RiskContext:
        series, symbol = (intent.strategy, intent.symbol_id), self._symbols[intent.symbol_id]
        limits, held = self._limits, self._held.get(series)
        return RiskContext(
            now_ms=to_ms(self._now),
            trading_enabled=settings.TRADING_ENABLED,
            entries_halted=limits.halted,
            symbol_status=symbol.status,
            base_asset=symbol.base_asset,
            order_quantity=symbol.order_quantity,
            rules=self._rules[symbol.pk],
            held=held.quantity if held else None,
            live_sides=frozenset(self._live.sides[series]),
            has_resting_stop=series in self._live.with_stop,
            exit_pending=held is not None and held.exit_pending,
            unreconciled=symbol.pk in self._live.alarmed,
            quote_asset=symbol.quote_asset,
            limits=limits.limits,
            clock_known=self._clock_known,
            entries=limits.entries[intent.strategy],
            drawdown=limits.drawdown(intent.strategy, symbol.quote_asset),
            total_drawdown=limits.drawdown(ALL_STRATEGIES, symbol.quote_asset),
            free_balance=limits.free_balances.get(symbol.quote_asset),
            account_position=limits.account_positions.get(symbol.base_asset),
            last_price=self._last_prices.get(symbol.name),
        )


def _existing(intents: Sequence[Intent]) -> dict[str, Order]:
    """Orders that were written before, by client order id."""
    existing = queries.existing([intent.client_order_id for intent in intents])
    if not existing:
        return {}
    orders = Order.objects.filter(client_order_id__in=existing)
    return {order.client_order_id: order for order in orders}


def _claim(orders: Iterable[Order], now: datetime) -> list[Order]:
    """Take those that are not denied for sending; none of them is written yet."""
    claimed = [order for order in orders if order.status == OrderStatus.PENDING]
    for order in claimed:
        order.status, order.submitted_at = OrderStatus.SUBMITTED, now
    return claimed


def write_orders(orders: Sequence[Order], now: datetime) -> None:
    """Write new orders with their history: a claimed one was pending for no time at all."""
    claimed = [order for order in orders if order.status == OrderStatus.SUBMITTED]
    queries.insert_orders(orders)
    first = [change_of(order, OrderStatus.PENDING, now) for order in claimed]
    first += [change_of(order, order.status, now) for order in orders]
    queries.insert_changes(first)
    order_changed.announce([order for order in orders if order.status != OrderStatus.SUBMITTED])
