"""Orders carried out: against the book at once, resting until the market passes, or triggered.

Our fills do not enter the public trades or klines.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from sandbox.data.symbols import SymbolRules
from sandbox.data.tape import TradeGroup
from sandbox.engine import matching
from sandbox.engine.fees import Fees
from sandbox.engine.market import Market
from sandbox.engine.matching import SHARED, Met, Step
from sandbox.engine.order_book import Book, Level
from sandbox.engine.order_lifecycle import Books
from sandbox.engine.orders import NOT_WORKING, ZERO, Order, OrderRequest
from sandbox.errors import ApiError, order_rejected
from sandbox.wire import Json

FEWEST_SPREAD_FILLS = 4
NO_LIQUIDITY = "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."


class Course(NamedTuple):
    """When an accepted order without a trigger is matched, and how its fills are spread."""

    delay_ms: int = 0
    fills_over_ms: int = 0


AT_ONCE = Course()


class Engine:
    """Accepts orders and carries them out on the books; `orders` are in the order of their ids."""

    def __init__(self, fees: Fees, outbox: list[Json]) -> None:
        self.books = Books(fees, outbox)
        self.journal, self.account = self.books.journal, self.books.account
        self.orders, self.open = self.books.orders, self.books.open
        self._later: list[tuple[int, int, Callable[[int], None]]] = []  # a heap, by time
        self._numbers = count()

    def place(
        self, request: OrderRequest, market: Market, now_ms: int, course: Course = AT_ONCE
    ) -> Order:
        """Accept an order and carry it out as far as it goes; raises ApiError -2010."""
        self._check(request, market, now_ms)
        order = self._accepted(request, market, now_ms)
        self.journal.note(order, "NEW", now_ms)
        if not request.has_trigger:
            self._set_out(order, market, now_ms, course)
        self.journal.close(now_ms)
        return order

    def _set_out(self, order: Order, market: Market, now_ms: int, course: Course) -> None:
        if course.delay_ms:
            self._in(now_ms + course.delay_ms, lambda due_ms: self._match(order, market, due_ms))
        else:
            self._match(order, market, now_ms, course.fills_over_ms)

    def _check(self, request: OrderRequest, market: Market, now_ms: int) -> None:
        if not market.trading or market.last_price is None:
            raise order_rejected("Market is closed.")
        if self.open_with_client_id(request.symbol, request.client_order_id):
            raise order_rejected("Duplicate order sent.")
        if request.has_trigger and request.is_hit(market.last_price):
            raise order_rejected("Order would trigger immediately.")

    def _accepted(self, request: OrderRequest, market: Market, now_ms: int) -> Order:
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
        book = market.book(now_ms)
        steps = self._way(order, book)
        if request.type == "LIMIT_MAKER" and steps:
            raise order_rejected("Order would immediately match and take.")
        if request.quote_quantity:
            order.quantity = _worth_quantity(request, book, steps)
            if not order.quantity:
                raise order_rejected(NO_LIQUIDITY)
        self.books.lock(order, self._needed(order, steps), book.rules)
        self.books.open_up(order)
        return order

    def _way(self, order: Order, book: Book) -> list[Step]:
        request = order.request
        own = [
            other
            for other in self.open[request.symbol].values()
            if other.is_resting and other.request.side != request.side
        ]
        return list(matching.way(order, book.facing(request.side), own, book.rules.quantity_step))

    def _needed(self, order: Order, steps: list[Step]) -> Decimal:
        """What must be locked for an order: base asset of a sell, else quote asset."""
        request = order.request
        if not request.buys:
            return order.left
        price = request.limit or (request.stop_price if not order.is_working else None)
        return matching.cost(steps) if price is None else price * order.left

    def _match(self, order: Order, market: Market, now_ms: int, over_ms: int = 0) -> None:
        """The taker phase, at once or spread over some time; what then is left rests or ends."""
        book, rules = market.book(now_ms), market.rules
        steps = self._way(order, book)
        if not order.is_open or not self._may_take(order, steps, book, now_ms):
            return
        book.take(order.request.side, [step for step in steps if isinstance(step, Level)])
        if over_ms:
            self._spread(order, steps, market, now_ms, over_ms)
            return
        for step in steps:
            self._meet(order, step, rules, now_ms)
        self.books.settle(order, rules, now_ms)

    def _may_take(self, order: Order, steps: list[Step], book: Book, now_ms: int) -> bool:
        """Lock what these steps need. Without the funds, or as a FOK without the book, it ends."""
        if order.request.quote_quantity:
            order.quantity = _worth_quantity(order.request, book, steps)
        reason = ""
        try:
            self.books.lock(order, self._needed(order, steps), book.rules)
        except ApiError:
            reason = "REJECTED"
        if order.request.time_in_force == "FOK" and matching.quantity(steps) < order.left:
            reason = "UNFILLED_FOK_ORDER_EXPIRED"
        if reason:
            self.books.end(order, "EXPIRED", now_ms, book.rules, reason=reason)
        return not reason

    def _spread(
        self, order: Order, steps: list[Step], market: Market, now_ms: int, over_ms: int
    ) -> None:
        """The first fill now, the others evenly until `over_ms` from now."""
        parts = matching.parted(steps, FEWEST_SPREAD_FILLS, market.rules.quantity_step)
        for place, step in enumerate(parts[1:], 1):
            due_ms = now_ms + over_ms * place // (len(parts) - 1)
            self._in(due_ms, lambda at, step=step: self._meet(order, step, market.rules, at))  # type: ignore[misc]
        for step in parts[:1]:
            self._meet(order, step, market.rules, now_ms)
        self._in(now_ms + over_ms, lambda at: self.books.settle(order, market.rules, at))

    def _in(self, due_ms: int, action: Callable[[int], None]) -> None:
        heappush(self._later, (due_ms, next(self._numbers), action))

    def run_due(self, now_ms: int) -> None:
        """Do what was put off until now."""
        while self._later and self._later[0][0] <= now_ms:
            heappop(self._later)[2](now_ms)
            self.journal.close(now_ms)

    def _meet(self, order: Order, step: Step, rules: SymbolRules, now_ms: int) -> None:
        """Trade with the book, or not with ourselves."""
        if not order.is_open:
            return
        if isinstance(step, Met):
            self.books.prevent(order, step, rules, now_ms)
        else:
            self.books.fill(order, step, rules, now_ms, now_ms, maker=False)

    def market_moved(self, market: Market, prints: Iterable[TradeGroup], now_ms: int) -> None:
        """Fill the orders that the market has passed; trigger those whose price it has hit."""
        for printed in prints:
            mine = self.open.get(market.rules.symbol)
            if not mine:
                return
            self._fill_passed(list(mine.values()), printed, market.rules, now_ms)
            for order in list(mine.values()):
                waits = order.request.has_trigger and not order.is_working
                if waits and order.request.is_hit(printed.agg.price):
                    self._trigger(order, market, now_ms)
            self.journal.close(now_ms)

    def _fill_passed(
        self, mine: list[Order], printed: TradeGroup, rules: SymbolRules, now_ms: int
    ) -> None:
        """By price, then by age, no more in all than was traded beyond their prices."""
        passed = [order for order in mine if order.is_resting and _passed(order, printed.agg.price)]
        passed.sort(key=lambda o: -o.request.price if o.request.buys else o.request.price)
        available = printed.agg.quantity
        for order in passed:
            level = Level(order.request.price, min(available, order.left))
            if level.quantity:
                time_ms = max(printed.agg.time_ms, order.working_ms)
                self.books.fill(order, level, rules, time_ms, now_ms, maker=True)
                available -= level.quantity

    def _trigger(self, order: Order, market: Market, now_ms: int) -> None:
        """From now on it is the market or limit order it was meant to become.

        A second report of NEW, now with a working time, tells so; that is not documented.
        """
        order.working_ms = order.update_ms = now_ms
        self.journal.note(order, "NEW", now_ms)
        self._match(order, market, now_ms)

    def cancel(self, order: Order, cancel_id: str, rules: SymbolRules, now_ms: int) -> None:
        """Take an open order off; it carries the cancel's id from now on. Raises -2011."""
        if not order.is_open:
            raise ApiError(-2011, "Unknown order sent.")
        original_id, order.client_order_id = order.client_order_id, cancel_id
        self.books.end(order, "CANCELED", now_ms, rules, original_id=original_id)
        self.journal.close(now_ms)

    def transfer(self, asset: str, amount: Decimal, now_ms: int) -> None:
        """Deposit, or withdraw where `amount` is below zero; raises -2010 where funds lack."""
        self.account.take(asset, -amount)
        self.journal.moved(asset, amount, now_ms)
        self.journal.close(now_ms)

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        books = self.open.values() if symbol is None else [self.open.get(symbol, {})]
        return sorted((o for book in books for o in book.values()), key=lambda o: o.order_id)

    def open_with_client_id(self, symbol: str, client_order_id: str) -> bool:
        return any(o.client_order_id == client_order_id for o in self.open_orders(symbol))

    def known(self, horizon_ms: int | None = None) -> list[Order]:
        """All orders in the order of their ids, as they are or as they were at a time."""
        if horizon_ms is None:
            return list(self.orders.values())
        then = (order.as_of(horizon_ms) for order in self.orders.values())
        return [order for order in then if order]


def find(
    orders: Iterable[Order], symbol: str, order_id: int | None, client_order_id: str | None
) -> Order | None:
    """By order id; else the open or else the newest order of that client id.

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


def _passed(order: Order, price: Decimal) -> bool:
    """A trade at the order's own price does not fill it: others stand before it in the queue."""
    limit = order.request.price
    return price < limit if order.request.buys else price > limit


def _worth_quantity(request: OrderRequest, book: Book, steps: list[Step]) -> Decimal:
    """The quantity a quoteOrderQty stands for: what it got, were the book deep enough."""
    shared = request.stp_mode in SHARED
    gone = (step.quantity for step in steps if shared or isinstance(step, Level))
    quantity, levels = sum(gone, ZERO), book.facing(request.side)
    if not levels or len(steps) < len(levels):
        return quantity
    rest = request.quote_quantity - matching.cost(steps)
    return (
        quantity
        + max(rest, ZERO) / levels[-1].price // book.rules.quantity_step * book.rules.quantity_step
    )
