"""Orders, their fills and their history. Source: protocol D.7."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)
OPEN_STATUSES = frozenset({"NEW", "PARTIALLY_FILLED"})
TRIGGERED_TYPES = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
PRICED_TYPES = ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
NOT_WORKING = -1  # the working time of an order that waits for its trigger


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as a client asked for it, syntax checked. One of the two quantities is above 0."""

    symbol: str
    side: str
    type: str
    client_order_id: str
    quantity: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    price: Decimal = ZERO
    stop_price: Decimal = ZERO
    time_in_force: str = "GTC"
    stp_mode: str = "EXPIRE_MAKER"
    response_type: str = "FULL"
    strategy: tuple[tuple[str, int], ...] = ()  # strategyId, strategyType: echoed where sent

    @property
    def is_buy(self) -> bool:
        return self.side == "BUY"

    @property
    def has_trigger(self) -> bool:
        return self.type in TRIGGERED_TYPES

    @property
    def limit_price(self) -> Decimal | None:
        """The worst price it takes; None where any will do."""
        return self.price if self.type in PRICED_TYPES else None

    @property
    def triggers_above(self) -> bool:
        """True where the market must rise to the stop price, else it must fall to it."""
        return self.is_buy == self.type.startswith("STOP_LOSS")

    def is_triggered_at(self, price: Decimal) -> bool:
        """True where a trade at this price triggers it."""
        return price >= self.stop_price if self.triggers_above else price <= self.stop_price


@dataclass(frozen=True, slots=True)
class Fill:
    """One of our own trades. Its id is unique per symbol, apart from the public trades' ids."""

    trade_id: int
    time_ms: int
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool

    @property
    def quote(self) -> Decimal:
        return self.price * self.quantity


class OrderChange(NamedTuple):
    """The state of an order after a change; `execution_type` is an execution report's `x`."""

    time_ms: int
    execution_type: str
    status: str
    client_order_id: str
    quantity: Decimal
    executed: Decimal
    executed_quote: Decimal
    fills: int
    update_ms: int
    working_ms: int
    expiry_reason: str
    prevented: Decimal


@dataclass(slots=True)
class Order:
    """An order from its acceptance on. `client_order_id` changes when it is cancelled.

    `locked` is the amount still locked for it: of the base asset for a sell, else of the quote.
    Only where `is_resting` may the market's trades fill it.
    """

    request: OrderRequest
    order_id: int
    time_ms: int
    client_order_id: str
    quantity: Decimal
    status: str = "NEW"
    update_ms: int = 0
    working_ms: int = NOT_WORKING
    expiry_reason: str = ""
    executed: Decimal = ZERO
    executed_quote: Decimal = ZERO
    prevented: Decimal = ZERO
    prevented_match_id: int = 0
    locked: Decimal = ZERO
    is_resting: bool = False
    fills: list[Fill] = field(default_factory=list)
    changes: list[OrderChange] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def is_working(self) -> bool:
        return self.working_ms != NOT_WORKING

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed - self.prevented

    def record_change(self, execution_type: str, now_ms: int) -> None:
        """Keep the state it is in now in its history."""
        self.changes.append(
            OrderChange(
                now_ms,
                execution_type,
                self.status,
                self.client_order_id,
                self.quantity,
                self.executed,
                self.executed_quote,
                len(self.fills),
                self.update_ms,
                self.working_ms,
                self.expiry_reason,
                self.prevented,
            )
        )

    def state_at(self, time_ms: int) -> "Order | None":
        """The order as it was then; None before there was one."""
        known = [change for change in self.changes if change.time_ms <= time_ms]
        if not known:
            return None
        last = known[-1]
        return replace(
            self,
            status=last.status,
            client_order_id=last.client_order_id,
            quantity=last.quantity,
            executed=last.executed,
            executed_quote=last.executed_quote,
            fills=self.fills[: last.fills],
            update_ms=last.update_ms,
            working_ms=last.working_ms,
            expiry_reason=last.expiry_reason,
            prevented=last.prevented,
            changes=known,
        )
