"""Services of orders: opened, sent, looked up, booked, reconciled, halted, logged."""

from orders.services.account.adjustments import NotWrittenOff, charge_positions, write_off
from orders.services.account.alarms import (
    accept_alarm,
    check_trading,
    names_not_trading,
    raised_alarms,
    settle_known_statuses,
)
from orders.services.account.balances import read_balances
from orders.services.account.executions import apply_executions
from orders.services.account.reconciliation import reconcile_account
from orders.services.booking import record
from orders.services.daily_loss import record_day_result
from orders.services.exits import (
    close_dust,
    open_stops,
    read_available,
    revoke_halt_exits,
    sellable_now,
)
from orders.services.halt import current_halt, set_halt
from orders.services.lookup import ANSWER_DUE, resolve_order, resolve_unanswered
from orders.services.performance import position_results, timelines
from orders.services.pre_trade import create_orders
from orders.services.protection import (
    cancel_misfit_stops,
    create_protective_stop,
    send_orders,
    unprotected_positions,
)
from orders.services.result_sums import kept_sums, sum_up
from orders.services.sending import send_claimed, submit
from orders.services.trade_log import append_trade_log

__all__ = [
    "ANSWER_DUE",
    "NotWrittenOff",
    "accept_alarm",
    "append_trade_log",
    "apply_executions",
    "cancel_misfit_stops",
    "charge_positions",
    "check_trading",
    "close_dust",
    "create_orders",
    "create_protective_stop",
    "current_halt",
    "kept_sums",
    "names_not_trading",
    "open_stops",
    "position_results",
    "raised_alarms",
    "read_available",
    "read_balances",
    "reconcile_account",
    "record",
    "record_day_result",
    "resolve_order",
    "resolve_unanswered",
    "revoke_halt_exits",
    "sellable_now",
    "send_claimed",
    "send_orders",
    "set_halt",
    "settle_known_statuses",
    "submit",
    "sum_up",
    "timelines",
    "unprotected_positions",
    "write_off",
]
