"""The matching engine: orders fill against the book, rest until the market passes, or trigger.

Our fills do not enter the public trades or klines.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from sandbox.data.symbols import SymbolRules
from sandbox.data.tape import TradeGroup
from sandbox.engine import matching
from sandbox.engine.fees import Fees
from sandbox.engine.market import Market
from sandbox.engine.matching import DECREMENTING_MODES, MatchStep, SelfMatch
from sandbox.engine.order_book import Level, OrderBook
from sandbox.engine.order_count import OrderCount
from sandbox.engine.order_lifecycle import OrderLifecycle
from sandbox.engine.orders import NOT_WORKING, ZERO, Order, OrderRequest
from sandbox.errors import ApiError, order_rejected
from sandbox.wire import Json

MIN_SPREAD_FILLS = 4
NO_LIQUIDITY = "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."


class ExecutionTiming(NamedTuple):
    """The delay of an accepted order without a trigger, the time its fills are spread over, and
    the share of it that the book has room for.
    """

    delay_ms: int = 0
    fills_over_ms: int = 0
    share: Decimal = Decimal(1)


IMMEDIATE = ExecutionTiming()


class MatchingEngine:
    """Accepts orders and carries them out; `orders` are all there were, by id."""

    def __init__(self, fees: Fees, outbox: list[Json]) -> None:
        self.lifecycle = OrderLifecycle(fees, outbox)
        self.reporter, self.account = self.lifecycle.reporter, self.lifecycle.account
        self.orders, self.open_by_symbol = self.lifecycle.orders, self.lifecycle.open_by_symbol
        self._scheduled: list[tuple[int, int, Callable[[int], None]]] = []  # a heap, by time
        self._numbers = count()

    @property
    def order_count(self) -> OrderCount:
        return self.lifecycle.order_count

    def accept_order(
        self,
        request: OrderRequest,
        market: Market,
        now_ms: int,
        timing: ExecutionTiming = IMMEDIATE,
    ) -> Order:
        """Accept an order and carry it out as far as it goes; raises ApiError -2010."""
        self._check(request, market, now_ms)
        order = self._open_order(request, market, now_ms)
        self.reporter.report_execution(order, "NEW", now_ms)
        if not request.has_trigger:
            self._start(order, market, now_ms, timing)
        self.reporter.report_balances(now_ms)
        return order

    def _start(self, order: Order, market: Market, now_ms: int, timing: ExecutionTiming) -> None:
        if timing.delay_ms:
            self._schedule(now_ms + timing.delay_ms, partial(self._match, order, market))
        else:
            self._match(order, market, now_ms, timing.fills_over_ms, timing.share)

    def _check(self, request: OrderRequest, market: Market, now_ms: int) -> None:
        if not market.is_trading or market.last_price is None:
            raise order_rejected("Market is closed.")
        if self.has_open_order(request.symbol, request.client_order_id):
            raise order_rejected("Duplicate order sent.")
        if request.has_trigger and request.is_triggered_at(market.last_price):
            raise order_rejected("Order would trigger immediately.")

    def _open_order(self, request: OrderRequest, market: Market, now_ms: int) -> Order:
        """Lock what the order may cost and give it an id; raises -2010 where funds lack."""
        order = Order(
            request,
            order_id=0,
            time_ms=now_ms,
            client_order_id=request.client_order_id,
            quantity=request.quantity,
            update_ms=now_ms,
            working_ms=NOT_WORKING if request.has_trigger else now_ms,
        )
        book = market.order_book(now_ms)
        steps = self._match_steps(order, book)
        if request.type == "LIMIT_MAKER" and steps:
            raise order_rejected("Order would immediately match and take.")
        if request.quote_quantity:
            order.quantity = _quantity_for_quote(request, book, steps)
            if not order.quantity:
                raise order_rejected(NO_LIQUIDITY)
        self.lifecycle.set_locked(order, self._amount_to_lock(order, steps), book.rules)
        self.lifecycle.open_order(order)
        return order

    def _match_steps(self, order: Order, book: OrderBook) -> list[MatchStep]:
        request = order.request
        own = [
            other
            for other in self.open_by_symbol[request.symbol].values()
            if other.is_resting and other.request.side != request.side
        ]
        levels, lot = book.opposite_side(request.side), book.rules.quantity_step
        return list(matching.match_steps(order, levels, own, lot))

    def _amount_to_lock(self, order: Order, steps: list[MatchStep]) -> Decimal:
        """The amount to lock for an order: base asset of a sell, else quote asset."""
        request = order.request
        if not request.is_buy:
            return order.remaining
        price = request.limit_price or (request.stop_price if not order.is_working else None)
        return matching.quote_cost(steps) if price is None else price * order.remaining

    def _match(
        self,
        order: Order,
        market: Market,
        now_ms: int,
        over_ms: int = 0,
        share: Decimal = Decimal(1),
    ) -> None:
        """The taker phase, at once or spread over some time; what then is left rests or ends."""
        book, rules = market.order_book(now_ms), market.rules
        steps = self._match_steps(order, book)
        if share < 1:
            steps = matching.thin_steps(steps, order.remaining * share, rules.quantity_step)
        if not order.is_open or not self._lock_for(order, steps, book, now_ms):
            return
        fills = [step for step in steps if isinstance(step, Level)]
        book.remove_quantities(order.request.side, fills)
        if over_ms:
            self._spread_fills(order, steps, market, now_ms, over_ms)
            return
        for step in steps:
            self._execute_step(order, step, rules, now_ms)
        self.lifecycle.finish_matching(order, rules, now_ms)

    def _lock_for(self, order: Order, steps: list[MatchStep], book: OrderBook, now_ms: int) -> bool:
        """Lock what these steps need; False where the order ends for lack of funds, or as a FOK."""
        if order.request.quote_quantity:
            order.quantity = _quantity_for_quote(order.request, book, steps)
        reason = ""
        try:
            self.lifecycle.set_locked(order, self._amount_to_lock(order, steps), book.rules)
        except ApiError:
            reason = "REJECTED"
        is_fok = order.request.time_in_force == "FOK"
        if is_fok and matching.traded_quantity(steps) < order.remaining:
            reason = "UNFILLED_FOK_ORDER_EXPIRED"
        if reason:
            self.lifecycle.end_order(order, "EXPIRED", now_ms, book.rules, reason=reason)
        return not reason

    def _spread_fills(
        self, order: Order, steps: list[MatchStep], market: Market, now_ms: int, over_ms: int
    ) -> None:
        """The first fill now, the others evenly until `over_ms` from now."""
        parts = matching.split_steps(steps, MIN_SPREAD_FILLS, market.rules.quantity_step)
        for position, step in enumerate(parts[1:], 1):
            due_ms = now_ms + over_ms * position // (len(parts) - 1)
            self._schedule(due_ms, partial(self._execute_step, order, step, market.rules))
        for step in parts[:1]:
            self._execute_step(order, step, market.rules, now_ms)
        finish = partial(self.lifecycle.finish_matching, order, market.rules)
        self._schedule(now_ms + over_ms, finish)

    def _schedule(self, due_ms: int, action: Callable[[int], None]) -> None:
        heappush(self._scheduled, (due_ms, next(self._numbers), action))

    def run_scheduled(self, now_ms: int) -> None:
        """Do what was scheduled until now."""
        while self._scheduled and self._scheduled[0][0] <= now_ms:
            heappop(self._scheduled)[2](now_ms)
            self.reporter.report_balances(now_ms)

    def _execute_step(self, order: Order, step: MatchStep, rules: SymbolRules, now_ms: int) -> None:
        """Trade with the book, or not with ourselves."""
        if not order.is_open:
            return
        if isinstance(step, SelfMatch):
            self.lifecycle.prevent_self_trade(order, step, rules, now_ms)
        else:
            self.lifecycle.fill_order(order, step, rules, now_ms, now_ms, is_maker=False)

    def apply_trades(self, market: Market, groups: Iterable[TradeGroup], now_ms: int) -> None:
        """Fill the orders that the market has passed; trigger those whose price it has hit."""
        for group in groups:
            mine = self.open_by_symbol.get(market.rules.symbol)
            if not mine:
                return
            self._fill_passed(list(mine.values()), group, market.rules, now_ms)
            for order in list(mine.values()):
                waits = order.request.has_trigger and not order.is_working
                if waits and order.request.is_triggered_at(group.agg.price):
                    self._trigger(order, market, now_ms)
            self.reporter.report_balances(now_ms)

    def _fill_passed(
        self, mine: list[Order], group: TradeGroup, rules: SymbolRules, now_ms: int
    ) -> None:
        """Fill by price, then by age, no more in all than was traded beyond their prices."""
        passed = [one for one in mine if one.is_resting and _is_passed(one, group.agg.price)]
        passed.sort(key=lambda o: -o.request.price if o.request.is_buy else o.request.price)
        available = group.agg.quantity
        for order in passed:
            level = Level(order.request.price, min(available, order.remaining))
            if level.quantity:
                time_ms = max(group.agg.time_ms, order.working_ms)
                self.lifecycle.fill_order(order, level, rules, time_ms, now_ms, is_maker=True)
                available -= level.quantity

    def _trigger(self, order: Order, market: Market, now_ms: int) -> None:
        """Make it the market or limit order that it was meant to become.

        A second report of NEW, now with a working time, tells so; that is not documented.
        """
        order.working_ms = order.update_ms = now_ms
        self.reporter.report_execution(order, "NEW", now_ms)
        self._match(order, market, now_ms)

    def cancel_order(self, order: Order, cancel_id: str, rules: SymbolRules, now_ms: int) -> None:
        """Cancel an open order; it carries the cancel's id from now on. Raises -2011."""
        if not order.is_open:
            raise ApiError(-2011, "Unknown order sent.")
        original_id, order.client_order_id = order.client_order_id, cancel_id
        self.lifecycle.end_order(order, "CANCELED", now_ms, rules, original_id=original_id)
        self.reporter.report_balances(now_ms)

    def transfer(self, asset: str, amount: Decimal, now_ms: int) -> None:
        """Deposit, or withdraw where `amount` is below zero; raises -2010 where funds lack."""
        self.account.debit(asset, -amount)
        self.reporter.report_transfer(asset, amount, now_ms)
        self.reporter.report_balances(now_ms)

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Of one symbol or of all, in the order of their ids."""
        symbols = self.open_by_symbol if symbol is None else [symbol]
        found = (o for name in symbols for o in self.open_by_symbol.get(name, {}).values())
        return sorted(found, key=lambda order: order.order_id)

    def has_open_order(self, symbol: str, client_order_id: str) -> bool:
        return any(o.client_order_id == client_order_id for o in self.open_orders(symbol))

    def orders_at(self, time_ms: int | None = None) -> list[Order]:
        """All orders in the order of their ids, as they were at a time; None: as they are."""
        if time_ms is None:
            return list(self.orders.values())
        then = (order.state_at(time_ms) for order in self.orders.values())
        return [order for order in then if order]


def find_order(
    orders: Iterable[Order], symbol: str, order_id: int | None, client_order_id: str | None
) -> Order | None:
    """The order of an id; else the open or else the newest one of a client id.

    Raises -2039 where both are given and do not belong together.
    """
    mine = [order for order in orders if order.request.symbol == symbol]
    if order_id is None:
        named = [order for order in mine if order.client_order_id == client_order_id]
        return max(named, key=lambda order: (order.is_open, order.order_id), default=None)
    found = next((order for order in mine if order.order_id == order_id), None)
    if found and client_order_id not in (None, found.client_order_id):
        raise ApiError(-2039, "Client order ID is not correct for this order ID.")
    return found


def _is_passed(order: Order, price: Decimal) -> bool:
    """True beyond the order's price; at it others stand before it in the queue."""
    limit = order.request.price
    return price < limit if order.request.is_buy else price > limit


def _quantity_for_quote(request: OrderRequest, book: OrderBook, steps: list[MatchStep]) -> Decimal:
    """The quantity that a quoteOrderQty would get, were the book deep enough."""
    decrements, lot = request.stp_mode in DECREMENTING_MODES, book.rules.quantity_step
    gone = (step.quantity for step in steps if decrements or isinstance(step, Level))
    quantity, levels = sum(gone, ZERO), book.opposite_side(request.side)
    if not levels or len(steps) < len(levels):
        return quantity
    rest = request.quote_quantity - matching.quote_cost(steps)
    return quantity + max(rest, ZERO) / levels[-1].price // lot * lot
