"""What speaks for an order never having been placed: the exchange's own lists."""

from collections.abc import Iterator
from dataclasses import dataclass

from orders.venue.exchange import Exchange, ExecutionReport

# By how much a clock may be off, and an order be older than we think.
MARGIN_MS = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """The order, where it was found after all; else whether the lists agree that it is none.

    `text` says what was asked and what came of it.
    """

    report: ExecutionReport | None
    absent: bool
    text: str


def search(exchange: Exchange, symbol: str, client_order_id: str, sent_ms: int) -> Finding:
    """Look for an order that the exchange does not know by name, in all lists it may stand in.

    Trades do not tell the client's id: those of orders that no list names are asked for one by
    one. Raises what the exchange raises. Source: protocol D.2.5.
    """
    since_ms = sent_ms - MARGIN_MS
    standing = exchange.open_orders(symbol)
    orders = exchange.orders_since(symbol, since_ms)
    trades = exchange.trades_since(symbol, since_ms)
    named = {
        one.exchange_order_id
        for one in (*standing, *orders)
        if one.client_order_id == client_order_id
    }
    listed = {one.exchange_order_id for one in (*standing, *orders)}
    filled = {trade.exchange_order_id for trade in trades} - listed
    text = (
        f"openOrders listed {len(standing)}, allOrders {len(orders)} and myTrades {len(trades)} "
        f"since {MARGIN_MS // 1000} s before it was to be sent"
    )
    for report in _asked(exchange, symbol, client_order_id, sorted(named | filled)):
        if report.client_order_id == client_order_id:
            return Finding(report, absent=False, text=text)
    return Finding(None, absent=not named, text=text)


def _asked(
    exchange: Exchange, symbol: str, client_order_id: str, exchange_order_ids: list[int]
) -> Iterator[ExecutionReport]:
    for exchange_order_id in exchange_order_ids:
        report = exchange.lookup(symbol, client_order_id, exchange_order_id)
        if report is not None:
            yield report
