"""What is done with orders: opened, sent, looked up, booked, halted, logged."""

from orders.services.balances import read_balances
from orders.services.booking import record
from orders.services.halts import current_halt, set_halt
from orders.services.losses import mark_day
from orders.services.opening import open_orders, open_stops
from orders.services.results import results, timelines
from orders.services.sending import reconcile, send_claimed, submit, unanswered, unsent
from orders.services.tradelog import append_trade_log

__all__ = [
    "append_trade_log",
    "current_halt",
    "mark_day",
    "open_orders",
    "open_stops",
    "read_balances",
    "reconcile",
    "record",
    "results",
    "send_claimed",
    "set_halt",
    "submit",
    "timelines",
    "unanswered",
    "unsent",
]
