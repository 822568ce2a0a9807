"""What is done with orders: opened, sent, looked up, booked, halted, logged."""

from orders.services.balances import read_balances
from orders.services.booking import record
from orders.services.daily_loss import mark_day
from orders.services.executions import hear, note_foreign
from orders.services.halt import current_halt, set_halt
from orders.services.pre_trade import open_orders, open_stops
from orders.services.protection import carry_out, protect, unguarded, withdraw_astray
from orders.services.reconciliation import accept_alarm, raised_alarms, reconcile_account
from orders.services.results import results, timelines
from orders.services.sending import reconcile, send_claimed, submit, unanswered, unsent
from orders.services.trade_log import append_trade_log

__all__ = [
    "accept_alarm",
    "append_trade_log",
    "carry_out",
    "current_halt",
    "hear",
    "mark_day",
    "note_foreign",
    "open_orders",
    "open_stops",
    "protect",
    "raised_alarms",
    "read_balances",
    "reconcile",
    "reconcile_account",
    "record",
    "results",
    "send_claimed",
    "set_halt",
    "submit",
    "timelines",
    "unanswered",
    "unguarded",
    "unsent",
    "withdraw_astray",
]
