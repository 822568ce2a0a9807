"""Services of orders: opened, sent, looked up, booked, reconciled, halted, logged."""

from orders.services.alarms import accept_alarm, raised_alarms
from orders.services.balances import read_balances
from orders.services.booking import record
from orders.services.daily_loss import record_day_result
from orders.services.executions import apply_executions
from orders.services.halt import current_halt, set_halt
from orders.services.lookup import ANSWER_DUE, reconcile
from orders.services.performance import position_results, timelines
from orders.services.pre_trade import open_orders
from orders.services.protection import (
    cancel_misfit_stops,
    open_protective_stop,
    send_orders,
    unprotected_positions,
)
from orders.services.reconciliation import reconcile_account
from orders.services.sending import send_claimed, submit
from orders.services.stops import open_stops
from orders.services.trade_log import append_trade_log

__all__ = [
    "ANSWER_DUE",
    "accept_alarm",
    "append_trade_log",
    "apply_executions",
    "cancel_misfit_stops",
    "current_halt",
    "open_orders",
    "open_protective_stop",
    "open_stops",
    "position_results",
    "raised_alarms",
    "read_balances",
    "reconcile",
    "reconcile_account",
    "record",
    "record_day_result",
    "send_claimed",
    "send_orders",
    "set_halt",
    "submit",
    "timelines",
    "unprotected_positions",
]
