"""What really happened, for tests to hold the system against: `GET /sandbox/ledger`."""

from sandbox.exchange import Exchange
from sandbox.orders import Order, own_trade, queried
from sandbox.wire import Json, text


def ledger(exchange: Exchange) -> Json:
    """Every order with its fills, every balance, and what there was at the start."""
    granted = {asset: text(amount) for asset, amount in exchange.granted.items()}
    balances = {
        asset: {"free": text(balance.free), "locked": text(balance.locked)}
        for asset, balance in exchange.engine.account.balances.items()
    }
    return {
        "server_time_ms": exchange.clock.now_ms(),
        "started_ms": exchange.started_ms,
        "mode": "replay" if exchange.plan.replay else "random",
        "seed": exchange.plan.seed,
        "fee": text(exchange.plan.fee),
        "symbols": list(exchange.markets),
        "initial_balances": granted,
        "grants": [
            {"asset": asset, "amount": amount, "time_ms": exchange.started_ms}
            for asset, amount in granted.items()
        ],
        "balances": balances,
        "orders": [_entry(order) for order in exchange.engine.orders.values()],
    }


def _entry(order: Order) -> Json:
    """As REST shows it, with the client's own id even after a cancel, and all its fills."""
    return {
        **queried(order),
        "origClientOrderId": order.request.client_order_id,
        "fills": [own_trade(order, fill) for fill in order.fills],
    }
