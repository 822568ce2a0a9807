"""Events of user data, without their envelope. Source: protocol F.2, F.3."""

from decimal import Decimal
from itertools import count
from typing import NamedTuple

from sandbox.engine.account import Account
from sandbox.engine.orders import ZERO, Fill, Order, OrderRequest
from sandbox.wire import Json, format_decimal

EXECUTION_IDS_STEP = 3  # they rise, but are not consecutive


class PreventedTrade(NamedTuple):
    """A trade that did not happen because both orders are ours."""

    match_id: int
    counter_order_id: int
    price: Decimal
    quantity: Decimal


def execution_report(
    order: Order,
    execution_type: str,
    execution_id: int,
    now_ms: int,
    *,
    original_id: str = "",
    fill: Fill | None = None,
    prevented: PreventedTrade | None = None,
) -> Json:
    """An order after a change; `execution_type` is the field `x`."""
    report = {
        "e": "executionReport",
        "E": now_ms,
        "x": execution_type,
        "I": execution_id,
        "C": original_id,
        **_requested(order.request),
        **_state(order),
        **_execution(fill),
    }
    return report | (_prevention(order, prevented) if prevented else {})


def _requested(request: OrderRequest) -> Json:
    """The fields of the request."""
    requested = {
        "s": request.symbol,
        "S": request.side,
        "o": request.type,
        "f": request.time_in_force,
        "p": format_decimal(request.price),
        "P": format_decimal(request.stop_price),
        "F": format_decimal(ZERO),
        "g": -1,
        "Q": format_decimal(request.quote_quantity),
        "V": request.stp_mode,
    }
    names = {"strategyId": "j", "strategyType": "J"}
    return requested | {names[name]: value for name, value in request.strategy}


def _state(order: Order) -> Json:
    """The fields of the state that the order is in."""
    state = {
        "i": order.order_id,
        "c": order.client_order_id,
        "q": format_decimal(order.quantity),
        "X": order.status,
        "r": "NONE",
        "z": format_decimal(order.executed),
        "Z": format_decimal(order.executed_quote),
        "T": order.update_ms,
        "O": order.time_ms,
        "w": order.is_open and order.is_working,
        "M": False,
    }
    if order.is_working:
        state["W"] = order.working_ms
    if order.expiry_reason:
        state["eR"] = order.expiry_reason
    return state


def _execution(fill: Fill | None) -> Json:
    """The fields of the trade that this report is of; zeros where there is none."""
    if fill is None:
        zero = format_decimal(ZERO)
        return {"l": zero, "L": zero, "Y": zero, "n": "0", "N": None, "t": -1, "m": False}
    return {
        "l": format_decimal(fill.quantity),
        "L": format_decimal(fill.price),
        "Y": format_decimal(fill.quote),
        "n": format_decimal(fill.commission),
        "N": fill.commission_asset,
        "t": fill.trade_id,
        "m": fill.is_maker,
    }


def _prevention(order: Order, prevented: PreventedTrade) -> Json:
    return {
        "v": prevented.match_id,
        "A": format_decimal(order.prevented),
        "B": format_decimal(prevented.quantity),
        "u": prevented.match_id,
        "U": prevented.counter_order_id,
        "Cs": order.request.symbol,
        "pl": format_decimal(prevented.quantity),
        "pL": format_decimal(prevented.price),
        "pY": format_decimal(prevented.price * prevented.quantity),
    }


def account_position(
    balances: dict[str, tuple[Decimal, Decimal]], update_ms: int, now_ms: int
) -> Json:
    """Free and locked of the assets that an action may have changed."""
    rows = [
        {"a": a, "f": format_decimal(free), "l": format_decimal(locked)}
        for a, (free, locked) in balances.items()
    ]
    return {"e": "outboundAccountPosition", "E": now_ms, "u": update_ms, "B": rows}


def balance_update(asset: str, delta: Decimal, now_ms: int) -> Json:
    """A deposit or a withdrawal."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": format_decimal(delta), "T": now_ms}


class AccountReporter:
    """Puts events into the outbox in the order of F.2: reports of an action, then the balances.

    It has orders and account keep their history as well.
    """

    def __init__(self, account: Account, outbox: list[Json]) -> None:
        self.account = account
        self.outbox = outbox
        self._execution_ids = count(1, EXECUTION_IDS_STEP)
        self._has_changed = False

    def report_execution(
        self,
        order: Order,
        execution_type: str,
        now_ms: int,
        *,
        original_id: str = "",
        fill: Fill | None = None,
        prevented: PreventedTrade | None = None,
    ) -> None:
        """Report one change of an order."""
        order.record_change(execution_type, now_ms)
        report = execution_report(
            order,
            execution_type,
            next(self._execution_ids),
            now_ms,
            original_id=original_id,
            fill=fill,
            prevented=prevented,
        )
        self.outbox.append(report)
        self._has_changed = True

    def report_transfer(self, asset: str, amount: Decimal, now_ms: int) -> None:
        """Report a deposit, or a withdrawal where `amount` is below zero."""
        self.outbox.append(balance_update(asset, amount, now_ms))
        self._has_changed = True

    def report_balances(self, now_ms: int) -> None:
        """Report the balances at the end of an action; nothing where nothing happened."""
        if self._has_changed:
            self._has_changed = False
            changed = self.account.record_balances(now_ms)
            self.outbox.append(account_position(changed, now_ms, now_ms))
