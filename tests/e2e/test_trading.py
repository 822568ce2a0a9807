"""Both variants trade a random market while processes are killed; then the books are held
against the exchange's ledger."""

import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.e2e.conftest import Built
from tests.servers import Sandbox, Server, Site, eventually

SYMBOLS = {"BTCUSDT": "BTC", "ETHUSDT": "ETH"}
TRADING_S = 40
# Near enough for our own stop and the one at the exchange to be hit together, again and again.
GUARDED = {"PROTECTIVE_STOPS": "true", "VARIANT_A_SL": "0.0004", "VARIANT_B_SL": "0.0002"}
ENDED = {"FILLED", "EXPIRED", "REJECTED", "DENIED", "EXPIRED_UNSENT", "CANCELED"}


def everything(site: Site, path: str, **query: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    url: str | None = f"{site.url}/{path}"
    while url:
        page = requests.get(url, query, timeout=10).json()
        found, url, query = found + page["results"], page["next"], {}
    return found


def ledger(sandbox: Sandbox) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(f"{sandbox.rest_url}/sandbox/ledger", timeout=10).json()
    return answer


def settled(site: Site) -> bool:
    """No order is under way; a protective stop rests, which is another thing."""
    orders = everything(site, "orders", limit="1000")
    return all(
        order["status"] in ENDED or (order["kind"], order["status"]) == ("STOP_LOSS", "NEW")
        for order in orders
    )


def traders(site: Site) -> set[str]:
    return {trade["strategy"] for trade in everything(site, "trades", limit="1000")}


def kill_at_random(site: Site, seconds: float) -> dict[str, Server]:
    """SIGKILL stream or worker now and then, and start it again."""
    seed = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 10**6)
    print(f"CHAOS_SEED={seed}")
    dice = random.Random(seed)
    running = {name: site.start(name) for name in ("stream", "worker", "beat")}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(dice.uniform(2, 6))
        name = dice.choice(["stream", "worker"])
        running[name].kill()
        running[name] = site.start(name)
    return running


def check_fills(site: Site, theirs: dict[str, Any]) -> None:
    """Every order in the ledger is ours and stands there once; every fill is booked once."""
    ours = {order["client_order_id"] for order in everything(site, "orders", limit="1000")}
    sent = [order["origClientOrderId"] for order in theirs["orders"]]
    assert len(set(sent)) == len(sent)
    assert set(sent) <= ours
    fills = Counter((f["symbol"], f["id"]) for order in theirs["orders"] for f in order["fills"])
    booked = Counter(
        (trade["symbol"], trade["trade_id"]) for trade in everything(site, "trades", limit="1000")
    )
    assert booked == fills
    log = (site.folder / "trades.jsonl").read_text().splitlines()
    logged = Counter((trade["symbol"], trade["trade_id"]) for trade in map(json.loads, log))
    assert logged == fills


def check_positions(site: Site, theirs: dict[str, Any]) -> None:
    """What all positions hold, dust included, is what the account gained since the start."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    for position in everything(site, "positions", status="all", limit="1000"):
        assert Decimal(position["quantity"]) >= 0, "sold twice"
        held[position["symbol"]] += Decimal(position["quantity"])
    for symbol, asset in SYMBOLS.items():
        balance = theirs["balances"][asset]
        now = Decimal(balance["free"]) + Decimal(balance["locked"])
        assert held[symbol] == now - Decimal(theirs["initial_balances"][asset])


@pytest.mark.processes
@pytest.mark.timeout(170)
@pytest.mark.parametrize("guarded", [{}, pytest.param(GUARDED, marks=pytest.mark.slow)], ids=str)
def test_both_variants_trade_and_the_books_balance(
    system: Callable[..., Built], guarded: dict[str, str]
) -> None:
    traded = {"INTERVALS": "1s", "SYMBOLS": ",".join(SYMBOLS)}
    sandbox, site = system("--seed", "7", **traded, **guarded)
    site.start("web")
    running = kill_at_random(site, TRADING_S)
    assert eventually(lambda: traders(site) == {"A", "B"}, 30)
    running["stream"].stop()  # no further signals
    assert eventually(lambda: settled(site), 40)
    time.sleep(3)  # the last sweep has written the trade log
    theirs = ledger(sandbox)
    assert theirs["orders"]
    check_fills(site, theirs)
    check_positions(site, theirs)
    assert {signal["strategy"] for signal in everything(site, "signals")} == {"A", "B"}
    kinds = Counter((order["type"], order["status"]) for order in theirs["orders"])
    assert ("STOP_LOSS" in {kind for kind, _ in kinds}) is bool(guarded)
