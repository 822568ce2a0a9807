"""The events of user data, without their envelope. Source: protocol F.2, F.3."""

from decimal import Decimal
from typing import NamedTuple

from sandbox.engine.orders import ZERO, Fill, Order
from sandbox.wire import Json, text


class Prevented(NamedTuple):
    """What did not trade because both orders are ours."""

    match_id: int
    counter_order_id: int
    price: Decimal
    quantity: Decimal


def execution_report(
    order: Order,
    kind: str,
    execution_id: int,
    now_ms: int,
    *,
    original_id: str = "",
    fill: Fill | None = None,
    prevented: Prevented | None = None,
) -> Json:
    """What `kind` (the field `x`) did to an order, and its state by then."""
    request = order.request
    report = {
        "e": "executionReport",
        "E": now_ms,
        "s": request.symbol,
        "c": order.client_order_id,
        "S": request.side,
        "o": request.type,
        "f": request.time_in_force,
        "q": text(order.quantity),
        "p": text(request.price),
        "P": text(request.stop_price),
        "F": text(ZERO),
        "g": -1,
        "C": original_id,
        "x": kind,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": text(fill.quantity if fill else ZERO),
        "z": text(order.executed),
        "L": text(fill.price if fill else ZERO),
        "n": text(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": order.update_ms,
        "t": fill.trade_id if fill else -1,
        "I": execution_id,
        "w": order.is_open and order.is_working,
        "m": bool(fill and fill.maker),
        "M": False,
        "O": order.time_ms,
        "Z": text(order.executed_quote),
        "Y": text(fill.quote if fill else ZERO),
        "Q": text(request.quote_quantity),
        "V": request.stp_mode,
    }
    if order.is_working:
        report["W"] = order.working_ms
    if order.expiry_reason:
        report["eR"] = order.expiry_reason
    for name, value in request.strategy:
        report["j" if name == "strategyId" else "J"] = value
    return report | (_prevention(order, prevented) if prevented else {})


def _prevention(order: Order, prevented: Prevented) -> Json:
    return {
        "v": prevented.match_id,
        "A": text(order.prevented),
        "B": text(prevented.quantity),
        "u": prevented.match_id,
        "U": prevented.counter_order_id,
        "Cs": order.request.symbol,
        "pl": text(prevented.quantity),
        "pL": text(prevented.price),
        "pY": text(prevented.price * prevented.quantity),
    }


def account_position(
    balances: dict[str, tuple[Decimal, Decimal]], update_ms: int, now_ms: int
) -> Json:
    """Free and locked of the assets that an action may have changed."""
    rows = [{"a": a, "f": text(free), "l": text(locked)} for a, (free, locked) in balances.items()]
    return {"e": "outboundAccountPosition", "E": now_ms, "u": update_ms, "B": rows}


def balance_update(asset: str, delta: Decimal, now_ms: int) -> Json:
    """A deposit or a withdrawal."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": text(delta), "T": now_ms}
