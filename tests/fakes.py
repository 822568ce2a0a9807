"""An exchange in memory, which can lose answers."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from market.ticks import Side
from market.wire.rows import Rows
from orders.core.position import Fill
from orders.core.status import ENDED, OrderStatus
from orders.venue.exchange import (
    ExecutionReport,
    ListedOrder,
    ListedTrade,
    OrderRequest,
    OutcomeUnknown,
    Refused,
)


class FakeExchange:
    """Fills every market order whole, in `slices` fills at rising prices, and remembers it.

    With a `depth` no more is filled at once, and what was asked for beyond it expires. More than
    is `held` is not sold.

    `fails_with` answers the first placements, one failure each. An OutcomeUnknown hides an
    order that was carried out, unless `executes` says it was not, or `late` that it is only
    once `carry_out_late` is called; the other failures mean that nothing was done.
    `lookups_fail_with` does the same to lookups. `unlisted` are client order ids that lookups
    by name and the lists of orders don't show yet. `others` are orders that are not ours.

    A stop order rests until `trigger`. `cancels_fail_with` answers cancels, one failure each;
    an OutcomeUnknown hides one that was carried out.
    """

    def __init__(
        self,
        *,
        price: str = "60000",
        slices: int = 1,
        fee: str = "0",
        fee_asset: str | None = None,
        depth: str | None = None,
        fails_with: Exception | Iterable[Exception] = (),
        lookups_fail_with: Iterable[Exception] = (),
        cancels_fail_with: Iterable[Exception] = (),
        executes: bool = True,
        late: bool = False,
    ) -> None:
        self.price = Decimal(price)
        self.slices = slices
        self.fee = Decimal(fee)
        self.fee_asset = fee_asset
        self.depth = None if depth is None else Decimal(depth)
        self.failures = [fails_with] if isinstance(fails_with, Exception) else list(fails_with)
        self.lookup_failures = list(lookups_fail_with)
        self.cancel_failures = list(cancels_fail_with)
        self.executes = executes
        self.late: list[OrderRequest] | None = [] if late else None
        self.unlisted: set[str] = set()
        self.others: list[ListedOrder] = []
        self.placed: list[OrderRequest] = []  # every request that arrived
        self.asked: list[str] = []  # client order ids that were looked up
        self.reports: dict[str, ExecutionReport] = {}  # the ledger
        self.clock_known = True
        self.held = {"USDT": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(100)}
        self._requests: dict[str, OrderRequest] = {}
        self._trade_id = 0
        self._lock = threading.Lock()  # orders come from several threads

    def place(self, request: OrderRequest) -> ExecutionReport:
        with self._lock:
            self.placed.append(request)
            failure = self.failures.pop(0) if self.failures else self._lack_of(request)
            if isinstance(failure, OutcomeUnknown) and self.late is not None:
                self.late.append(request)
            elif failure is None or (isinstance(failure, OutcomeUnknown) and self.executes):
                self._carry_out(request)
        if failure is not None:
            raise failure
        return self.reports[request.client_order_id]

    def _lack_of(self, request: OrderRequest) -> Refused | None:
        """The refusal of a sale of more than there is."""
        there = self.held[request.symbol.removesuffix("USDT")]
        if request.side is Side.BUY or request.stop_price or request.quantity <= there:
            return None
        return Refused(-2010, "Account has insufficient balance for requested action.")

    def cancel(self, symbol: str, client_order_id: str, exchange_order_id: int) -> ExecutionReport:
        with self._lock:
            failure = self.cancel_failures.pop(0) if self.cancel_failures else None
            if failure is not None and not isinstance(failure, OutcomeUnknown):
                raise failure
            name, order = client_order_id, self.reports.get(client_order_id)
            same = order is not None and order.exchange_order_id == exchange_order_id
            if order is None or not same or order.status in ENDED:
                raise failure or Refused(-2011, "Unknown order sent.")
            self.reports[name] = replace(
                self.reports[name],
                status=OrderStatus.CANCELED,
                client_order_id=f"{client_order_id}-c",
            )
            if failure is not None:
                raise failure
            return replace(self.reports[name], fills=())

    def waiting(self) -> list[str]:
        """The stops that have not ended."""
        return [name for name, one in self.reports.items() if one.status not in ENDED]

    def trigger(self, client_order_id: str, quantity: str | None = None) -> None:
        """The market reaches a stop, which sells so much of what it has left, or all."""
        request, before = self._requests[client_order_id], self.reports[client_order_id]
        left = request.quantity - before.executed_quantity
        amount = left if quantity is None else min(left, Decimal(quantity))
        sold = self._filled(replace(request, quantity=amount))
        self.reports[client_order_id] = replace(
            before,
            status=sold.status if amount == left else OrderStatus.PARTIALLY_FILLED,
            executed_quantity=before.executed_quantity + sold.executed_quantity,
            executed_quote=before.executed_quote + sold.executed_quote,
            fills=before.fills + sold.fills,
        )
        self._settle(request, sold)

    def lookup(
        self, symbol: str, client_order_id: str, exchange_order_id: int | None
    ) -> ExecutionReport | None:
        self.asked.append(client_order_id)
        if self.lookup_failures:
            raise self.lookup_failures.pop(0)
        for report in self.reports.values():
            if report.exchange_order_id == exchange_order_id:
                return report
        named = self.reports.get(client_order_id)
        if named is None or client_order_id in self.unlisted:
            return None
        return named if named.client_order_id == client_order_id else None  # a cancel renamed it

    def open_orders(self, symbol: str) -> Rows[ListedOrder]:
        return Rows(one for one in self.orders_since(symbol, 0) if one.status not in ENDED)

    def orders_since(self, symbol: str, start_ms: int) -> Rows[ListedOrder]:
        ours = [_seen(self._requests[name], report) for name, report in self._of(symbol)]
        listed = [one for one in ours if one.client_order_id not in self.unlisted]
        return Rows(one for one in (*listed, *self.others) if one.time_ms >= start_ms)

    def trades_since(self, symbol: str, start_ms: int) -> Rows[ListedTrade]:
        return Rows(
            ListedTrade(report.exchange_order_id, fill)
            for _, report in self._of(symbol)
            for fill in report.fills
            if fill.time_ms >= start_ms
        )

    def balances(self) -> dict[str, Decimal]:
        return dict(self.held)

    def keep_ready(self) -> None: ...

    def carry_out_late(self) -> None:
        """The orders whose answers were lost reach the engine only now."""
        assert self.late is not None
        while self.late:
            self._carry_out(self.late.pop())

    def events(self, client_order_id: str) -> list[ExecutionReport]:
        """What the account's stream tells of an order: that it is new, then fill after fill."""
        whole = self.reports[client_order_id]
        told = [replace(whole, status=OrderStatus.NEW, executed_quantity=Decimal(0),
                        executed_quote=Decimal(0), fills=())]  # fmt: skip
        for count, fill in enumerate(whole.fills, start=1):
            so_far = whole.fills[:count]
            done = sum((one.quantity for one in so_far), Decimal(0))
            quote = sum((one.quote_quantity for one in so_far), Decimal(0))
            status = whole.status if count == len(whole.fills) else OrderStatus.PARTIALLY_FILLED
            told.append(ExecutionReport(client_order_id, whole.exchange_order_id, status, done,
                                        quote, (fill,)))  # fmt: skip
        return told

    def free_balances(self) -> dict[str, Decimal]:
        free = {**self.held, "USDT": Decimal(10_000)}
        for name in self.waiting():
            request = self._requests[name]
            free[request.symbol.removesuffix("USDT")] -= request.quantity
        return free

    def hide_fills(self, client_order_id: str) -> ExecutionReport:
        """What a lookup says while trades lag behind orders; returns the whole truth."""
        whole = self.reports[client_order_id]
        self.reports[client_order_id] = replace(whole, fills=whole.fills[:-1])
        return whole

    def _of(self, symbol: str) -> list[tuple[str, ExecutionReport]]:
        return [
            (name, report)
            for name, report in self.reports.items()
            if self._requests[name].symbol == symbol
        ]

    def _carry_out(self, request: OrderRequest) -> None:
        report = self._resting(request) if request.stop_price else self._filled(request)
        self.reports[request.client_order_id] = report
        self._requests[request.client_order_id] = request
        self._settle(request, report)

    def _settle(self, request: OrderRequest, report: ExecutionReport) -> None:
        base = request.symbol.removesuffix("USDT")
        for fill in report.fills:
            sign = 1 if fill.side is Side.BUY else -1
            self.held[base] += sign * fill.quantity
            self.held["USDT"] -= sign * fill.quote_quantity
            self.held[fill.commission_asset] -= fill.commission

    def _resting(self, request: OrderRequest) -> ExecutionReport:
        nothing = Decimal(0)
        number = len(self.reports) + 1
        return ExecutionReport(
            request.client_order_id, number, OrderStatus.NEW, nothing, nothing, ()
        )

    def _filled(self, request: OrderRequest) -> ExecutionReport:
        assert request.quantity > 0
        amount = request.quantity if self.depth is None else min(self.depth, request.quantity)
        each = (amount / self.slices).quantize(Decimal("1E-8"))
        sizes = [each] * (self.slices - 1)
        sizes.append(amount - sum(sizes, Decimal(0)))
        fills = tuple(self._fill(request, i, size) for i, size in enumerate(sizes))
        return ExecutionReport(
            client_order_id=request.client_order_id,
            exchange_order_id=len(self.reports) + 1,
            status=OrderStatus.FILLED if amount == request.quantity else OrderStatus.EXPIRED,
            executed_quantity=amount,
            executed_quote=sum((fill.quote_quantity for fill in fills), Decimal(0)),
            fills=fills,
        )

    def _fill(self, request: OrderRequest, level: int, size: Decimal) -> Fill:
        """Fees are taken from what is received: base asset of a BUY, quote asset of a SELL. Of an
        asset of one's choice it is `fee` a fill.
        """
        self._trade_id += 1
        price = self.price + level
        base, quote = request.symbol.removesuffix("USDT"), "USDT"
        received, asset = (size, base) if request.side is Side.BUY else (size * price, quote)
        if self.fee_asset:
            received, asset = Decimal(1), self.fee_asset
        return Fill(
            self._trade_id,
            request.side,
            price,
            size,
            received * self.fee,
            asset,
            request.claimed_ms,
        )


def _seen(request: OrderRequest, report: ExecutionReport) -> ListedOrder:
    return ListedOrder(
        report.client_order_id,
        report.exchange_order_id,
        report.status,
        request.side,
        request.quantity,
        report.executed_quantity,
        request.claimed_ms,
    )
