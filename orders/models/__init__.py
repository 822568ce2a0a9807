"""Orders, trades and positions; the account, the days' results and the halt."""

from orders.models.account import (
    Alarm,
    AlarmKind,
    Balance,
    DayResult,
    Epoch,
    ForeignOrder,
    Halt,
    HaltLevel,
    OrdersCheck,
)
from orders.models.performance import EVERYTHING, ResultSums
from orders.models.trading import Adjustment, AdjustmentKind, Order, OrderChange, Position, Trade

__all__ = [
    "EVERYTHING",
    "Adjustment",
    "AdjustmentKind",
    "Alarm",
    "AlarmKind",
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
    "ResultSums",
    "Trade",
]
