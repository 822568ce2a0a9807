"""The ledger of what really happened, for tests to check the system: `GET /sandbox/ledger`."""

from sandbox.engine.exchange import Exchange
from sandbox.engine.order_payloads import order_status, own_trade
from sandbox.engine.orders import Order, OrderChange
from sandbox.wire import Json, format_decimal


def full_ledger(exchange: Exchange) -> Json:
    """Every order with its fills, every balance, and the balances at the start.

    `requests` are all that carried an order or a cancel, with their answers; `past` holds the
    ledger of each period that a reset ended, oldest first.
    """
    balances = {
        asset: format_decimal(amount) for asset, amount in exchange.initial_balances.items()
    }
    return {
        "server_time_ms": exchange.clock.now_ms(),
        "started_ms": exchange.started_ms,
        "mode": "replay" if exchange.config.replay else "random",
        "seed": exchange.config.seed,
        "fee": format_decimal(exchange.config.fee),
        "fee_asset": exchange.config.fee_asset,
        "symbols": list(exchange.markets),
        "initial_balances": balances,
        **period_ledger(exchange),
        "past": exchange.past_periods,
    }


def period_ledger(exchange: Exchange) -> Json:
    """The part of the ledger that a reset ends."""
    balances = {
        asset: {"free": format_decimal(balance.free), "locked": format_decimal(balance.locked)}
        for asset, balance in exchange.engine.account.balances.items()
    }
    return {
        "began_ms": exchange.period_started_ms,
        "grants": exchange.transfers,
        "balances": balances,
        "orders": [_order_entry(order) for order in exchange.engine.orders.values()],
        "requests": [request.to_json() for request in exchange.request_log],
    }


def _order_entry(order: Order) -> Json:
    """The order as REST shows it, its first client id even after a cancel, fills and changes."""
    return {
        **order_status(order),
        "origClientOrderId": order.request.client_order_id,
        "fills": [own_trade(order, fill) for fill in order.fills],
        "history": [_change_entry(change) for change in order.changes],
    }


def _change_entry(change: OrderChange) -> Json:
    """A change of an order; `execution` is an execution report's `x`."""
    return {
        "time_ms": change.time_ms,
        "execution": change.execution_type,
        "status": change.status,
        "clientOrderId": change.client_order_id,
        "executedQty": format_decimal(change.executed),
    }
