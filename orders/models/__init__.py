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
from orders.models.trading import Order, OrderChange, Position, Trade

__all__ = [
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
