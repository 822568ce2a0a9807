"""Both variants trade a random market while processes are killed; then the books are held
against the exchange's ledger."""

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.e2e.books import everything, last_differences
from tests.e2e.conftest import Built
from tests.servers import HANG_S, Server, Site, eventually

SYMBOLS = "BTCUSDT,ETHUSDT"
TRADING_S = 40
# Near enough for our own stop and the one at the exchange to be hit together, again and again.
GUARDED = {"PROTECTIVE_STOPS": "true", "VARIANT_A_SL": "0.0004", "VARIANT_B_SL": "0.0002"}


def traders(site: Site) -> set[str]:
    return {trade["strategy"] for trade in everything(site, "trades")}


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


@pytest.mark.processes
@pytest.mark.timeout(500)
@pytest.mark.parametrize("guarded", [{}, pytest.param(GUARDED, marks=pytest.mark.slow)], ids=str)
def test_both_variants_trade_and_the_books_balance(
    system: Callable[..., Built], guarded: dict[str, str]
) -> None:
    sandbox, site = system("--seed", "7", INTERVALS="1s", SYMBOLS=SYMBOLS, **guarded)
    site.start("web")
    running = kill_at_random(site, TRADING_S)
    assert eventually(lambda: traders(site) == {"A", "B"}, 2 * HANG_S)
    running["stream"].stop()  # no further signals
    assert last_differences(site, sandbox, 2 * HANG_S) == []
    kinds = {order["type"] for order in sandbox.ledger()["orders"]}
    assert kinds == {"MARKET", "STOP_LOSS"} if guarded else {"MARKET"}
    assert {signal["strategy"] for signal in everything(site, "signals")} == {"A", "B"}
