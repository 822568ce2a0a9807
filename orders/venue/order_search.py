"""Search for an order in the exchange's own lists: evidence that it was never placed."""

from collections.abc import Iterator
from dataclasses import dataclass

from orders.venue.exchange import Exchange, ExecutionReport

# By how much a clock may be off, and an order be older than we think.
MARGIN_MS = 10_000


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The order, where it was found after all; else `absent` where the lists agree that it is none.

    `evidence` says what was asked and what came of it.
    """

    report: ExecutionReport | None
    absent: bool
    evidence: str


def find(exchange: Exchange, symbol: str, client_order_id: str, sent_ms: int) -> SearchResult:
    """Look for an order that the exchange does not know by name, in all lists it may stand in.

    Trades do not tell the client's id: those of orders that no list names are asked for one by
    one. Raises what the exchange raises. Source: protocol D.2.5.
    """
    since_ms = sent_ms - MARGIN_MS
    open_orders = exchange.open_orders(symbol)
    orders = exchange.orders_since(symbol, since_ms)
    trades = exchange.trades_since(symbol, since_ms)
    named = {
        one.exchange_order_id
        for one in (*open_orders, *orders)
        if one.client_order_id == client_order_id
    }
    listed = {one.exchange_order_id for one in (*open_orders, *orders)}
    filled = {trade.exchange_order_id for trade in trades} - listed
    evidence = (
        f"openOrders listed {len(open_orders)}, allOrders {len(orders)} and myTrades {len(trades)} "
        f"since {MARGIN_MS // 1000} s before it was to be sent"
    )
    for report in _looked_up(exchange, symbol, client_order_id, sorted(named | filled)):
        if report.client_order_id == client_order_id:
            return SearchResult(report, absent=False, evidence=evidence)
    unread = open_orders.left_out + orders.left_out + trades.left_out
    if unread:
        evidence += f"; {unread} rows could not be read"
    return SearchResult(None, absent=not named and not unread, evidence=evidence)


def _looked_up(
    exchange: Exchange, symbol: str, client_order_id: str, exchange_order_ids: list[int]
) -> Iterator[ExecutionReport]:
    for exchange_order_id in exchange_order_ids:
        report = exchange.lookup(symbol, client_order_id, exchange_order_id)
        if report is not None:
            yield report
