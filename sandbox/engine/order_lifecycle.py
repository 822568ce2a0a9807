"""Changes of orders, with the balances that go with them, reported as they happen."""

from collections import defaultdict
from decimal import Decimal
from itertools import count

from sandbox.data.symbols import SymbolRules
from sandbox.engine.account import Account
from sandbox.engine.fees import Fees
from sandbox.engine.matching import (
    DECREMENTING_MODES,
    MAKER_EXPIRING_MODES,
    TAKER_EXPIRING_MODES,
    SelfMatch,
)
from sandbox.engine.order_book import Level
from sandbox.engine.order_count import OrderCount
from sandbox.engine.orders import ZERO, Fill, Order
from sandbox.engine.user_data_events import AccountReporter, PreventedTrade
from sandbox.wire import Json

OWN_TRADE_IDS_FROM = 1_000_000_000_001


class OrderLifecycle:
    """The account, its orders, and every way in which one is filled or ends.

    Trade ids come from a space of their own, so that they never meet a public id.
    """

    def __init__(self, fees: Fees, outbox: list[Json]) -> None:
        self.fees = fees
        self.account = Account()
        self.reporter = AccountReporter(self.account, outbox)
        self.order_count = OrderCount()
        self.orders: dict[int, Order] = {}
        self.open_by_symbol: dict[str, dict[int, Order]] = defaultdict(dict)
        self._order_ids, self._match_ids = count(1), count(1)
        self._trade_ids = count(OWN_TRADE_IDS_FROM)

    def open_order(self, order: Order) -> None:
        """Give an order its id and keep it among the open ones."""
        order.order_id = next(self._order_ids)
        self.orders[order.order_id] = order
        self.open_by_symbol[order.request.symbol][order.order_id] = order

    def set_locked(self, order: Order, amount: Decimal, rules: SymbolRules) -> None:
        """Have just that amount locked for an order; raises -2010 where funds lack."""
        asset = rules.quote if order.request.is_buy else rules.base
        self.account.lock(asset, amount - order.locked)
        order.locked = amount

    def fill_order(
        self,
        order: Order,
        level: Level,
        rules: SymbolRules,
        time_ms: int,
        now_ms: int,
        *,
        is_maker: bool,
    ) -> None:
        """Fill an order once, at a price and quantity; traded at `time_ms` and known now."""
        commission, commission_asset = self._settle(order, level, rules)
        trade_id = next(self._trade_ids)
        fill = Fill(trade_id, time_ms, *level, commission, commission_asset, is_maker)
        if not order.fills:
            self.order_count.count_first_fill(now_ms, is_maker)
        order.fills.append(fill)
        order.executed += fill.quantity
        order.executed_quote += fill.quote
        order.update_ms = time_ms
        if order.request.is_buy and order.request.limit_price:  # what it got cheaper is free again
            self.set_locked(order, order.request.limit_price * order.remaining, rules)
        order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        if not order.remaining:
            self._remove_open(order)
        self.reporter.report_execution(order, "TRADE", now_ms, fill=fill)

    def _settle(self, order: Order, level: Level, rules: SymbolRules) -> tuple[Decimal, str]:
        """Exchange one asset for the other; returns the commission and its asset."""
        quote, is_buy = level.price * level.quantity, order.request.is_buy
        spent_asset, spent = (rules.quote, quote) if is_buy else (rules.base, level.quantity)
        asset, received = (rules.base, level.quantity) if is_buy else (rules.quote, quote)
        self.account.spend_locked(spent_asset, spent)
        order.locked -= spent
        self.account.credit(asset, received)
        return self.fees.charge_commission(self.account, asset, received)

    def prevent_self_trade(
        self, taker: Order, match: SelfMatch, rules: SymbolRules, now_ms: int
    ) -> None:
        """Self-trade prevention by the taker's mode. Source: protocol D.11."""
        maker, mode = match.order, taker.request.stp_mode
        if not maker.is_open:
            return
        match_id, decrements = next(self._match_ids), mode in DECREMENTING_MODES
        common = min(match.quantity, maker.remaining, taker.remaining)
        for order, other, modes in (
            (maker, taker, MAKER_EXPIRING_MODES),
            (taker, maker, TAKER_EXPIRING_MODES),
        ):
            if not decrements and mode not in modes:
                continue
            quantity = common if decrements else order.remaining
            order.prevented += quantity
            order.prevented_match_id, order.update_ms = match_id, now_ms
            self.set_locked(order, self._still_locked(order, quantity), rules)
            if not order.remaining:
                order.status = "EXPIRED_IN_MATCH"
                self._remove_open(order)
            prevented = PreventedTrade(match_id, other.order_id, maker.request.price, quantity)
            self.reporter.report_execution(order, "TRADE_PREVENTION", now_ms, prevented=prevented)

    def _still_locked(self, order: Order, gone: Decimal) -> Decimal:
        """The amount that stays locked once so much of an order will not trade."""
        if not order.remaining:
            return ZERO
        if not order.request.is_buy:
            return order.locked - gone
        limit = order.request.limit_price
        return limit * order.remaining if limit else order.locked

    def finish_matching(self, order: Order, rules: SymbolRules, now_ms: int) -> None:
        """After the taker phase: let what is left rest, or give it up."""
        if not order.is_open:
            return
        if order.request.limit_price is None:
            self.end_order(order, "EXPIRED", now_ms, rules, reason="INSUFFICIENT_LIQUIDITY")
        elif order.request.time_in_force == "IOC":
            self.end_order(order, "EXPIRED", now_ms, rules, reason="UNFILLED_IOC_QUANTITY_EXPIRED")
        else:
            order.is_resting = True

    def end_order(
        self,
        order: Order,
        status: str,
        now_ms: int,
        rules: SymbolRules,
        *,
        reason: str = "",
        original_id: str = "",
    ) -> None:
        """End an order before it is filled: what is still locked is free again."""
        self.set_locked(order, ZERO, rules)
        order.status, order.expiry_reason, order.update_ms = status, reason, now_ms
        self._remove_open(order)
        self.reporter.report_execution(order, status, now_ms, original_id=original_id)

    def _remove_open(self, order: Order) -> None:
        order.is_resting = False
        self.open_by_symbol[order.request.symbol].pop(order.order_id, None)
