"""The exchange protocol: its requests and reports, and the three ways in which it fails."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from market.failures import Busy, OutcomeUnknown, Refused
from market.ticks import Side
from market.wire.rows import Rows
from orders.core.position import Fill
from orders.core.status import OrderStatus

__all__ = [
    "Busy",
    "Exchange",
    "Execution",
    "ExecutionReport",
    "Fill",
    "ListedOrder",
    "ListedTrade",
    "OrderRequest",
    "OutcomeUnknown",
    "Refused",
]


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A market order to place, or with a `stop_price` (quote asset) one that rests until the
    price gets there; `quantity` is in base asset.

    `claimed_ms` is when it was claimed for sending, by our clock. The exchange is told this
    time, not that of the sending: it then refuses the request once its window has passed, so
    that a process which slept between claim and send cannot place an order that others have
    given up.
    """

    symbol: str
    side: Side
    quantity: Decimal
    client_order_id: str
    claimed_ms: int
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """The state of an order by the exchange's own word. An ended order may carry fills.

    `executed_quantity` is in base asset. `fills` may lag behind it where they are read
    separately.
    """

    client_order_id: str
    exchange_order_id: int
    status: OrderStatus
    executed_quantity: Decimal
    executed_quote: Decimal
    fills: tuple[Fill, ...]
    reason: str = ""  # the exchange's, of an order that ended unfilled


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order as the exchange's lists have it: anybody's on this account, without its fills.

    Quantities are in base asset, `time_ms` is when the exchange took it.
    """

    client_order_id: str
    exchange_order_id: int
    status: OrderStatus
    side: Side
    quantity: Decimal
    executed_quantity: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class ListedTrade:
    """A fill as the exchange's list of trades has it, with the order that it belongs to."""

    exchange_order_id: int
    fill: Fill


@dataclass(frozen=True, slots=True)
class Execution:
    """One step of an order as the account's own event stream tells it.

    `report` has the one fill that the step brought, if any. `execution_id` rises from step to
    step, so it tells what came first and what came twice.
    """

    execution_id: int
    symbol: str
    order: ListedOrder
    report: ExecutionReport


class Exchange(Protocol):
    """One account at one venue. Raises Refused, Busy or OutcomeUnknown and nothing else.

    A row of a list that can't be read is left out and counted: then nothing may be concluded from
    the absence of another.
    """

    @property
    def clock_known(self) -> bool:
        """False where the exchange's time was asked for in vain and is not known from before."""
        ...

    def place(self, request: OrderRequest) -> ExecutionReport: ...

    def cancel(self, symbol: str, client_order_id: str, exchange_order_id: int) -> ExecutionReport:
        """End the order that has this number and this name; the report has what was executed
        before, but no fills.

        Refused where it rests no more: a lookup tells what became of it.
        """
        ...

    def lookup(
        self, symbol: str, client_order_id: str, exchange_order_id: int | None
    ) -> ExecutionReport | None:
        """The state of an order, with its fills; None where the exchange knows none."""
        ...

    def open_orders(self, symbol: str) -> Rows[ListedOrder]: ...

    def orders_since(self, symbol: str, start_ms: int) -> Rows[ListedOrder]:
        """All orders taken from `start_ms` (our clock) on, oldest first."""
        ...

    def trades_since(self, symbol: str, start_ms: int) -> Rows[ListedTrade]:
        """All fills from `start_ms` (our clock) on, oldest first."""
        ...

    def balances(self) -> dict[str, Decimal]:
        """Balances of each asset, free and locked together."""
        ...

    def free_balances(self) -> dict[str, Decimal]:
        """Free balances, of each asset that there is something of."""
        ...

    def keep_ready(self) -> None:
        """Be ready for an order at any time; asked every few seconds."""
        ...
