"""Orders carried out: against the book at once, or resting until the market passes them.

Our fills do not enter the public trades or klines. Their trade ids come from a space of
their own, `OWN_TRADE_IDS_FROM` upwards, so that they never meet a public id.
"""

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from itertools import count

from sandbox.account import Account
from sandbox.book import Book, Level, by_quantity, by_worth
from sandbox.filters import SymbolRules
from sandbox.market import Market
from sandbox.orders import Fill, Order, OrderRequest
from sandbox.tape import Print
from sandbox.wire import ApiError, rejected

OWN_TRADE_IDS_FROM = 1_000_000_000_001
CENT = Decimal("0.00000001")  # the smallest part of any asset; commissions are floored to it


class Engine:
    """The account, its orders in the order of their ids, and the matching."""

    def __init__(self, fee: Decimal) -> None:
        self.fee = fee
        self.account = Account()
        self.orders: dict[int, Order] = {}
        self.resting: dict[str, dict[int, Order]] = {}
        self._order_ids = count(1)
        self._trade_ids = count(OWN_TRADE_IDS_FROM)

    def place(self, request: OrderRequest, market: Market, now_ms: int) -> Order:
        """Accept an order and match it as far as it goes; raises ApiError -2010."""
        if not market.trading:
            raise rejected("Market is closed.")
        if self.open_with_client_id(request.symbol, request.client_order_id):
            raise rejected("Duplicate order sent.")
        book = market.book(now_ms)
        taken = self._planned(request, book)
        if request.type == "LIMIT_MAKER" and taken:
            raise rejected("Order would immediately match and take.")
        order = self._accept(request, book, taken, now_ms)
        if request.time_in_force == "FOK" and _sum(taken) < order.quantity:
            return self._expire(order, "UNFILLED_FOK_ORDER_EXPIRED", market.rules)
        book.take(request.side, taken)
        self._fill(order, taken, market.rules, now_ms, maker=False)
        self._settle(order, market.rules)
        return order

    def _planned(self, request: OrderRequest, book: Book) -> list[Level]:
        levels = book.facing(request.side)
        if request.quote_quantity:
            return by_worth(levels, request.quote_quantity, book.rules.step)
        limit = request.price if request.type != "MARKET" else None
        return by_quantity(levels, request.side, request.quantity, limit)

    def _accept(self, request: OrderRequest, book: Book, taken: list[Level], now_ms: int) -> Order:
        """Lock what the order may cost and give it an id; raises -2010 where funds lack."""
        order = Order(
            request,
            order_id=0,
            time_ms=now_ms,
            client_order_id=request.client_order_id,
            quantity=request.quantity or _worth_quantity(request, book, taken),
            update_ms=now_ms,
            working_ms=now_ms,
        )
        self.account.reserve(*self._locked_by(order, book.rules, taken))
        order.order_id = next(self._order_ids)
        self.orders[order.order_id] = order
        return order

    def _locked_by(
        self, order: Order, rules: SymbolRules, taken: list[Level]
    ) -> tuple[str, Decimal]:
        if order.request.side == "SELL":
            return rules.base, order.quantity
        if order.request.type == "MARKET":
            return rules.quote, sum((level.price * level.quantity for level in taken), Decimal(0))
        return rules.quote, order.request.price * order.quantity

    def _fill(
        self, order: Order, levels: list[Level], rules: SymbolRules, now_ms: int, maker: bool
    ) -> None:
        buys = order.request.side == "BUY"
        for price, quantity in levels:
            quote = price * quantity
            received, asset = (quantity, rules.base) if buys else (quote, rules.quote)
            commission = (received * self.fee).quantize(CENT, ROUND_DOWN)
            self.account.spend(rules.quote if buys else rules.base, quote if buys else quantity)
            self.account.grant(asset, received - commission)
            self._release_better_price(order, price, quantity, rules)
            fill = Fill(next(self._trade_ids), now_ms, price, quantity, commission, asset, maker)
            order.fills.append(fill)
            order.executed += quantity
            order.executed_quote += quote
        order.update_ms = now_ms

    def _release_better_price(
        self, order: Order, price: Decimal, quantity: Decimal, rules: SymbolRules
    ) -> None:
        """A limit buy locked its limit; what it got cheaper is free again."""
        if order.request.side == "BUY" and order.request.type != "MARKET":
            self.account.release(rules.quote, (order.request.price - price) * quantity)

    def _settle(self, order: Order, rules: SymbolRules) -> None:
        """Status after the taker phase: done, resting, or the rest given up."""
        if not order.left:
            order.status = "FILLED"
        elif order.request.type == "MARKET":
            self._expire(order, "INSUFFICIENT_LIQUIDITY", rules)
        elif order.request.time_in_force == "IOC":
            self._expire(order, "UNFILLED_IOC_QUANTITY_EXPIRED", rules)
        else:
            order.status = "PARTIALLY_FILLED" if order.fills else "NEW"
            self.resting.setdefault(order.request.symbol, {})[order.order_id] = order

    def _expire(self, order: Order, reason: str, rules: SymbolRules) -> Order:
        self._release_rest(order, rules)
        order.status, order.expiry_reason = "EXPIRED", reason
        return order

    def _release_rest(self, order: Order, rules: SymbolRules) -> None:
        request = order.request
        if request.side == "SELL":
            self.account.release(rules.base, order.left)
        elif request.type != "MARKET":  # a market buy locked just what it took
            self.account.release(rules.quote, request.price * order.left)

    def market_moved(self, market: Market, prints: Iterable[Print]) -> None:
        """Fill resting orders whose price the market has passed, whole and as maker."""
        for printed in prints:
            resting = self.resting.get(market.rules.symbol)
            if not resting:
                return
            for order in [o for o in resting.values() if _passed(o, printed.agg.price)]:
                rest = [Level(order.request.price, order.left)]
                self._fill(order, rest, market.rules, printed.agg.time_ms, maker=True)
                order.status = "FILLED"
                del resting[order.order_id]

    def cancel(self, order: Order, cancel_id: str, rules: SymbolRules, now_ms: int) -> None:
        """Take an open order off; it carries the cancel's id from now on."""
        if not order.is_open:
            raise ApiError(-2011, "Unknown order sent.")
        del self.resting[order.request.symbol][order.order_id]
        self._release_rest(order, rules)
        order.status, order.update_ms, order.client_order_id = "CANCELED", now_ms, cancel_id

    def of_symbol(self, symbol: str) -> list[Order]:
        return [order for order in self.orders.values() if order.request.symbol == symbol]

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        books = self.resting.values() if symbol is None else [self.resting.get(symbol, {})]
        return sorted((o for book in books for o in book.values()), key=lambda o: o.order_id)

    def open_with_client_id(self, symbol: str, client_order_id: str) -> bool:
        return any(o.client_order_id == client_order_id for o in self.open_orders(symbol))

    def find(self, symbol: str, order_id: int | None, client_order_id: str | None) -> Order | None:
        """By order id; else the open or else the newest order of that client id.

        Raises -2039 where both are given and do not belong together.
        """
        if order_id is None:
            named = [o for o in self.of_symbol(symbol) if o.client_order_id == client_order_id]
            return max(named, key=lambda o: (o.is_open, o.order_id), default=None)
        order = self.orders.get(order_id)
        if order is None or order.request.symbol != symbol:
            return None
        if client_order_id is not None and order.client_order_id != client_order_id:
            raise ApiError(-2039, "Client order ID is not correct for this order ID.")
        return order


def _passed(order: Order, price: Decimal) -> bool:
    """A trade at the order's own price does not fill it: others stand before it in the queue."""
    limit = order.request.price
    return price < limit if order.request.side == "BUY" else price > limit


def _sum(levels: list[Level]) -> Decimal:
    return sum((level.quantity for level in levels), Decimal(0))


def _worth_quantity(request: OrderRequest, book: Book, taken: list[Level]) -> Decimal:
    """The quantity a quoteOrderQty stands for: what it got, were the book deep enough."""
    quantity = _sum(taken)
    spent = sum((level.price * level.quantity for level in taken), Decimal(0))
    whole_book = len(taken) == len(book.facing(request.side))
    if not whole_book or not taken:
        return quantity
    step = book.rules.step
    return quantity + (request.quote_quantity - spent) / taken[-1].price // step * step
