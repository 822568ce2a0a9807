"""Orders, trades and positions; the account, the days' results and the halt."""

from orders.models.account import (
    Alarm,
    Balance,
    DayResult,
    Epoch,
    ForeignOrder,
    Halt,
    HaltLevel,
    OrdersCheck,
)
from orders.models.trading import Adjustment, Order, OrderChange, Position, Trade

__all__ = [
    "Adjustment",
    "Alarm",
    "Balance",
    "DayResult",
    "Epoch",
    "ForeignOrder",
    "Halt",
    "HaltLevel",
    "Order",
    "OrderChange",
    "OrdersCheck",
    "Position",
    "Trade",
]
