"""What becomes of an order and of the account's money, written down as it happens."""

from collections import defaultdict
from decimal import Decimal
from itertools import count

from sandbox.data.symbols import SymbolRules
from sandbox.engine.account import Account
from sandbox.engine.fees import Fees
from sandbox.engine.matching import MAKER_ENDS, SHARED, TAKER_ENDS, Met
from sandbox.engine.order_book import Level
from sandbox.engine.order_count import OrderCount
from sandbox.engine.orders import ZERO, Fill, Order
from sandbox.engine.user_data_events import Prevented
from sandbox.engine.user_data_outbox import Journal
from sandbox.wire import Json

OWN_TRADE_IDS_FROM = 1_000_000_000_001


class Books:
    """The account, its orders, and every way in which one is filled or ends.

    Trade ids come from a space of their own, so that they never meet a public id.
    """

    def __init__(self, fees: Fees, outbox: list[Json]) -> None:
        self.fees = fees
        self.account = Account()
        self.journal = Journal(self.account, outbox)
        self.order_count = OrderCount()
        self.orders: dict[int, Order] = {}
        self.open: dict[str, dict[int, Order]] = defaultdict(dict)
        self._order_ids, self._match_ids = count(1), count(1)
        self._trade_ids = count(OWN_TRADE_IDS_FROM)

    def open_up(self, order: Order) -> None:
        """Give an order its id and let it be open."""
        order.order_id = next(self._order_ids)
        self.orders[order.order_id] = self.open[order.request.symbol][order.order_id] = order

    def lock(self, order: Order, amount: Decimal, rules: SymbolRules) -> None:
        """Have just that amount locked for an order; raises -2010 where funds lack."""
        asset = rules.quote if order.request.buys else rules.base
        self.account.reserve(asset, amount - order.locked)
        order.locked = amount

    def fill(
        self,
        order: Order,
        level: Level,
        rules: SymbolRules,
        time_ms: int,
        now_ms: int,
        *,
        maker: bool,
    ) -> None:
        """One fill, traded at `time_ms` and known now."""
        price, quantity = level
        quote, buys = price * quantity, order.request.buys
        spent_asset, spent = (rules.quote, quote) if buys else (rules.base, quantity)
        asset, received = (rules.base, quantity) if buys else (rules.quote, quote)
        self.account.spend(spent_asset, spent)
        order.locked -= spent
        self.account.grant(asset, received)
        commission, commission_asset = self.fees.charge(self.account, asset, received)
        trade_id = next(self._trade_ids)
        fill = Fill(trade_id, time_ms, price, quantity, commission, commission_asset, maker)
        if not order.fills:
            self.order_count.filled(now_ms, maker)
        order.fills.append(fill)
        order.executed += quantity
        order.executed_quote += quote
        order.update_ms = time_ms
        if buys and order.request.limit:  # what it got cheaper is free again
            self.lock(order, order.request.limit * order.left, rules)
        order.status = "PARTIALLY_FILLED" if order.left else "FILLED"
        if not order.left:
            self._close(order)
        self.journal.note(order, "TRADE", now_ms, fill=fill)

    def prevent(self, taker: Order, met: Met, rules: SymbolRules, now_ms: int) -> None:
        """Self-trade prevention by the taker's mode. Source: protocol D.11."""
        maker, mode = met.order, taker.request.stp_mode
        if not maker.is_open:
            return
        match_id, shared = next(self._match_ids), mode in SHARED
        at_most = min(met.quantity, maker.left, taker.left)
        for order, other, modes in ((maker, taker, MAKER_ENDS), (taker, maker, TAKER_ENDS)):
            if not shared and mode not in modes:
                continue
            quantity = at_most if shared else order.left
            order.prevented += quantity
            order.prevented_match_id, order.update_ms = match_id, now_ms
            self.lock(order, self._left_locked(order, quantity), rules)
            if not order.left:
                order.status = "EXPIRED_IN_MATCH"
                self._close(order)
            prevented = Prevented(match_id, other.order_id, maker.request.price, quantity)
            self.journal.note(order, "TRADE_PREVENTION", now_ms, prevented=prevented)

    def _left_locked(self, order: Order, gone: Decimal) -> Decimal:
        """What stays locked once so much of an order will not trade."""
        if not order.left:
            return ZERO
        if not order.request.buys:
            return order.locked - gone
        return order.request.limit * order.left if order.request.limit else order.locked

    def settle(self, order: Order, rules: SymbolRules, now_ms: int) -> None:
        """After the taker phase: done, resting, or the rest given up."""
        if not order.is_open:
            return
        if order.request.limit is None:
            self.end(order, "EXPIRED", now_ms, rules, reason="INSUFFICIENT_LIQUIDITY")
        elif order.request.time_in_force == "IOC":
            self.end(order, "EXPIRED", now_ms, rules, reason="UNFILLED_IOC_QUANTITY_EXPIRED")
        else:
            order.is_resting = True

    def end(
        self,
        order: Order,
        status: str,
        now_ms: int,
        rules: SymbolRules,
        *,
        reason: str = "",
        original_id: str = "",
    ) -> None:
        """Over before it is filled: what is still locked is free again."""
        self.lock(order, ZERO, rules)
        order.status, order.expiry_reason, order.update_ms = status, reason, now_ms
        self._close(order)
        self.journal.note(order, status, now_ms, original_id=original_id)

    def _close(self, order: Order) -> None:
        order.is_resting = False
        self.open[order.request.symbol].pop(order.order_id, None)
