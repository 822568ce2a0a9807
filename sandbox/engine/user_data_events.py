"""Events of user data, without their envelope. Source: protocol F.2, F.3."""

from decimal import Decimal
from itertools import count
from typing import NamedTuple

from sandbox.engine.account import Account
from sandbox.engine.orders import ZERO, Fill, Order
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
    request = order.request
    report = {
        "e": "executionReport",
        "E": now_ms,
        "s": request.symbol,
        "c": order.client_order_id,
        "S": request.side,
        "o": request.type,
        "f": request.time_in_force,
        "q": format_decimal(order.quantity),
        "p": format_decimal(request.price),
        "P": format_decimal(request.stop_price),
        "F": format_decimal(ZERO),
        "g": -1,
        "C": original_id,
        "x": execution_type,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": format_decimal(fill.quantity if fill else ZERO),
        "z": format_decimal(order.executed),
        "L": format_decimal(fill.price if fill else ZERO),
        "n": format_decimal(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": order.update_ms,
        "t": fill.trade_id if fill else -1,
        "I": execution_id,
        "w": order.is_open and order.is_working,
        "m": bool(fill and fill.is_maker),
        "M": False,
        "O": order.time_ms,
        "Z": format_decimal(order.executed_quote),
        "Y": format_decimal(fill.quote if fill else ZERO),
        "Q": format_decimal(request.quote_quantity),
        "V": request.stp_mode,
    }
    if order.is_working:
        report["W"] = order.working_ms
    if order.expiry_reason:
        report["eR"] = order.expiry_reason
    for name, value in request.strategy:
        report["j" if name == "strategyId" else "J"] = value
    return report | (_prevention(order, prevented) if prevented else {})


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
