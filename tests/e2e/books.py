"""Our books held against the exchange's ledger, from outside: over REST and by the trade log."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import requests

from tests.servers import HANG_S, Sandbox, Site, eventually

ENDED = {
    "FILLED",
    "EXPIRED",
    "EXPIRED_IN_MATCH",
    "REJECTED",
    "DENIED",
    "EXPIRED_UNSENT",
    "CANCELED",
}
Ledger = dict[str, Any]


def everything(site: Site, path: str, **query: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    url: str | None = f"{site.url}/{path}"
    query = {"limit": "1000", **query}
    while url:
        page = requests.get(url, query, timeout=HANG_S).json()
        found, url, query = found + page["results"], page["next"], {}
    return found


def last_differences(site: Site, sandbox: Sandbox, seconds: float) -> list[str]:
    """Look until there are none, for so long; sales may still be going on."""
    left: list[str] = []

    def settled() -> bool:
        left[:] = differences(site, sandbox)
        return not left

    eventually(settled, seconds)
    return left


def differences(site: Site, sandbox: Sandbox) -> list[str]:
    """All that our books and the exchange's ledger disagree about, a line each."""
    theirs = sandbox.ledger()
    orders, trades = everything(site, "orders"), everything(site, "trades")
    return [
        *_in_doubt(orders),
        *_of_orders(orders, theirs),
        *_of_fills(site, trades, theirs),
        *_of_positions(trades),
        *_of_balances(site, trades, theirs),
        *_unsold(site),
    ]


def _in_doubt(orders: Iterable[dict[str, Any]]) -> list[str]:
    """A protective stop that rests has not ended, and is in no doubt."""
    return [
        f"{order['client_order_id']}: {order['status']}"
        for order in orders
        if order["status"] not in ENDED and (order["kind"], order["status"]) != ("STOP_LOSS", "NEW")
    ]


def _of_orders(orders: Iterable[dict[str, Any]], theirs: Ledger) -> list[str]:
    """Every order in the ledger is ours, stands there once, and ended as we say."""
    ours = {order["client_order_id"]: order for order in orders}
    sent = Counter(order["origClientOrderId"] for order in theirs["orders"])
    wrong = [f"{name}: {count} times in the ledger" for name, count in sent.items() if count > 1]
    wrong += [f"{name}: in the ledger, not ours" for name in sent if name not in ours]
    wrong += [
        f"{name}: {ours[name]['status']}, in the ledger {order['status']}"
        for order in theirs["orders"]
        if (name := order["origClientOrderId"]) in ours and ours[name]["status"] != order["status"]
    ]
    wrong += [
        f"{name}: {order['status']}, not in the ledger"
        for name, order in ours.items()
        if order["exchange_order_id"] is not None and name not in sent
    ]
    return wrong


def _of_fills(site: Site, trades: Iterable[dict[str, Any]], theirs: Ledger) -> list[str]:
    """Every fill in the ledger is booked once and logged once, and no other."""
    fills = Counter((f["symbol"], f["id"]) for order in theirs["orders"] for f in order["fills"])
    log = (site.folder / "trades.jsonl").read_text().splitlines() if fills else []
    books = {
        "booked": Counter((trade["symbol"], trade["trade_id"]) for trade in trades),
        "logged": Counter((line["symbol"], line["trade_id"]) for line in map(json.loads, log)),
    }
    return [
        f"fill {fill}: {book[fill]} times {name}, {fills[fill]} in the ledger"
        for name, book in books.items()
        for fill in fills | book
        if book[fill] != fills[fill]
    ]


def _of_positions(trades: Iterable[dict[str, Any]]) -> list[str]:
    """No strategy ever sold more of a symbol than it had bought by then."""
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    wrong = []
    for trade in sorted(trades, key=lambda trade: int(trade["trade_id"])):
        series, quantity = (trade["strategy"], trade["symbol"]), Decimal(trade["quantity"])
        held[series] += quantity if trade["side"] == "BUY" else -quantity
        if held[series] < 0:
            wrong.append(f"{series}: oversold by {-held[series]} with trade {trade['trade_id']}")
    return wrong


def _of_balances(site: Site, trades: Iterable[dict[str, Any]], theirs: Ledger) -> list[str]:
    """What our positions hold, dust included, and what our trades paid is what moved there.

    Together they hold no more of anything than there is.
    """
    moved, held = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    for position in everything(site, "positions", status="all"):
        held[position["symbol"].removesuffix("USDT")] += Decimal(position["quantity"])
    for trade in trades:
        quote = Decimal(trade["quote_quantity"])
        moved["USDT"] += quote if trade["side"] == "SELL" else -quote
        # What a position holds is net of fees in its own asset.
        if trade["commission_asset"] != trade["symbol"].removesuffix("USDT"):
            moved[trade["commission_asset"]] -= Decimal(trade["commission"])
    for adjustment in everything(site, "adjustments"):
        moved[adjustment["symbol"].removesuffix("USDT")] += Decimal(adjustment["kept"])
    came = defaultdict[str, Decimal](Decimal)
    for grant in theirs["grants"]:
        came[grant["asset"]] += Decimal(grant["amount"])
    has = {a: Decimal(b["free"]) + Decimal(b["locked"]) for a, b in theirs["balances"].items()}
    return [
        f"{asset}: {held[asset]} and {moved[asset]} by our books, {there} of {came[asset]} there"
        for asset, there in has.items()
        if held[asset] + moved[asset] != there - came[asset] or held[asset] > there
    ]


def _unsold(site: Site) -> list[str]:
    """Positions that are to be sold are being sold, until nothing is left."""
    return [
        f"{position['strategy']} {position['symbol']}: {position['quantity']} is still to be sold"
        for position in everything(site, "positions", status="open")
        if position["exit_reason"]
    ]
