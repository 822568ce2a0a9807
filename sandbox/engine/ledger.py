"""What really happened, for tests to hold the system against: `GET /sandbox/ledger`."""

from sandbox.engine.exchange import Exchange
from sandbox.engine.order_payloads import own_trade, queried
from sandbox.engine.orders import Change, Order
from sandbox.wire import Json, format_decimal


def ledger(exchange: Exchange) -> Json:
    """Every order with its fills, every balance, and what there was at the start.

    `requests` are all that carried an order or a cancel, with what became of them; `past` is
    what stood here when the exchange was reset, oldest first.
    """
    granted = {asset: format_decimal(amount) for asset, amount in exchange.granted.items()}
    return {
        "server_time_ms": exchange.clock.now_ms(),
        "started_ms": exchange.started_ms,
        "mode": "replay" if exchange.config.replay else "random",
        "seed": exchange.config.seed,
        "fee": format_decimal(exchange.config.fee),
        "fee_asset": exchange.config.fee_asset,
        "symbols": list(exchange.markets),
        "initial_balances": granted,
        **books(exchange),
        "past": exchange.past,
    }


def books(exchange: Exchange) -> Json:
    """What a reset ends."""
    balances = {
        asset: {"free": format_decimal(balance.free), "locked": format_decimal(balance.locked)}
        for asset, balance in exchange.engine.account.balances.items()
    }
    return {
        "began_ms": exchange.began_ms,
        "grants": exchange.grants,
        "balances": balances,
        "orders": [_entry(order) for order in exchange.engine.orders.values()],
        "requests": [sent.told() for sent in exchange.sent],
    }


def _entry(order: Order) -> Json:
    """As REST shows it, with the client's own id even after a cancel, fills and all changes."""
    return {
        **queried(order),
        "origClientOrderId": order.request.client_order_id,
        "fills": [own_trade(order, fill) for fill in order.fills],
        "history": [_change(change) for change in order.changes],
    }


def _change(change: Change) -> Json:
    """`execution` is the execution report's `x`."""
    return {
        "time_ms": change.time_ms,
        "execution": change.kind,
        "status": change.status,
        "clientOrderId": change.client_order_id,
        "executedQty": format_decimal(change.executed),
    }
