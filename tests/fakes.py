"""An exchange in memory, which can lose answers."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from market.ticks import Side
from orders.exchange import ExecutionReport, OrderRequest, OutcomeUnknown
from orders.position import Fill
from orders.status import OrderStatus


class FakeExchange:
    """Fills every market order whole, in `slices` fills at rising prices, and remembers it.

    `fails_with` answers the first placements, one failure each. An OutcomeUnknown hides an
    order that was carried out, unless `executes` says it was not; the other failures mean that
    nothing was done. `lookups_fail_with` does the same to lookups.
    """

    def __init__(
        self,
        *,
        price: str = "60000",
        slices: int = 1,
        fee: str = "0",
        fails_with: Exception | Iterable[Exception] = (),
        lookups_fail_with: Iterable[Exception] = (),
        executes: bool = True,
    ) -> None:
        self.price = Decimal(price)
        self.slices = slices
        self.fee = Decimal(fee)
        self.failures = [fails_with] if isinstance(fails_with, Exception) else list(fails_with)
        self.lookup_failures = list(lookups_fail_with)
        self.executes = executes
        self.placed: list[OrderRequest] = []  # every request that arrived
        self.reports: dict[str, ExecutionReport] = {}  # the ledger
        self._trade_id = 0
        self._lock = threading.Lock()  # orders come from several threads

    def place(self, request: OrderRequest) -> ExecutionReport:
        with self._lock:
            self.placed.append(request)
            failure = self.failures.pop(0) if self.failures else None
            if failure is None or (isinstance(failure, OutcomeUnknown) and self.executes):
                self.reports[request.client_order_id] = self._filled(request)
        if failure is not None:
            raise failure
        return self.reports[request.client_order_id]

    def lookup(
        self, symbol: str, client_order_id: str, exchange_order_id: int | None
    ) -> ExecutionReport | None:
        if self.lookup_failures:
            raise self.lookup_failures.pop(0)
        return self.reports.get(client_order_id)

    def keep_ready(self) -> None: ...

    def free_balances(self) -> dict[str, Decimal]:
        return {"USDT": Decimal(10_000)}

    def hide_fills(self, client_order_id: str) -> ExecutionReport:
        """What a lookup says while trades lag behind orders; returns the whole truth."""
        whole = self.reports[client_order_id]
        self.reports[client_order_id] = replace(whole, fills=whole.fills[:-1])
        return whole

    def _filled(self, request: OrderRequest) -> ExecutionReport:
        assert request.quantity > 0
        each = (request.quantity / self.slices).quantize(Decimal("1E-8"))
        sizes = [each] * (self.slices - 1)
        sizes.append(request.quantity - sum(sizes, Decimal(0)))
        fills = tuple(self._fill(request, i, size) for i, size in enumerate(sizes))
        return ExecutionReport(
            client_order_id=request.client_order_id,
            exchange_order_id=len(self.reports) + 1,
            status=OrderStatus.FILLED,
            executed_quantity=request.quantity,
            executed_quote=sum((fill.quote_quantity for fill in fills), Decimal(0)),
            fills=fills,
        )

    def _fill(self, request: OrderRequest, level: int, size: Decimal) -> Fill:
        """Fees are taken from what is received: base asset of a BUY, quote asset of a SELL."""
        self._trade_id += 1
        price = self.price + level
        base, quote = request.symbol.removesuffix("USDT"), "USDT"
        received, asset = (size, base) if request.side is Side.BUY else (size * price, quote)
        return Fill(
            self._trade_id,
            request.side,
            price,
            size,
            received * self.fee,
            asset,
            request.claimed_ms,
        )
