"""Orders in a storm: whatever the client hears, the ledger knows what happened, and adds up."""

import contextlib
import time
from decimal import Decimal

import requests

from sandbox.config import SandboxConfig
from sandbox.faults.registry import OrderFaultTypes, UserDataFaultTypes, faults_by_name
from tests.sandbox.venue import Json, Venue, running, total
from tests.servers import HANG_S, eventually

ENDED = {"FILLED", "EXPIRED"}  # the latter in a thin book
NAMES = [*faults_by_name(OrderFaultTypes), *faults_by_name(UserDataFaultTypes), "read_lag"]


def place_order(venue: Venue, name: str) -> Json:
    """Status and body of a market order's answer; None where there was none that can be read."""
    time.sleep(0.02)
    with contextlib.suppress(requests.RequestException):
        answer = venue.place_order(quantity="0.001", newClientOrderId=name, side="BUY")
        return answer.status_code, answer.json()
    return None


def settled(venue: Venue) -> bool:
    return all(order["status"] in ENDED for order in venue.ledger()["orders"])


def test_after_a_storm_the_ledger_adds_up() -> None:
    with running(SandboxConfig([], seed=3)) as venue:
        venue.exchange.market("BTCUSDT")
        venue.timeout_s = 0.15
        storm = {"seed": 12, "every_s": 0.03, "faults": NAMES}
        assert requests.post(f"{venue.url}/sandbox/storm", json=storm, timeout=HANG_S).ok
        with venue.moving():
            numbers = range(30)
            answers = {
                f"storm-{number}": place_order(venue, f"storm-{number}") for number in numbers
            }
            requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
            assert eventually(lambda: settled(venue))
        ledger = venue.ledger()
    names = [order["origClientOrderId"] for order in ledger["orders"]]
    assert len(names) == len(set(names)) > 5
    assert len({row["fault"] for row in ledger["requests"]}) > 4
    for row in ledger["requests"]:
        name = row["params"]["newClientOrderId"]
        assert (row["orderId"] is not None) == (name in names)
        if answers[name] and answers[name][0] == 200:
            assert (row["status"], row["orderId"]) == (200, answers[name][1]["orderId"])
    fills = [fill for order in ledger["orders"] for fill in order["fills"]]
    bought = total(fills, "qty") - total(fills, "commission")
    assert Decimal(ledger["balances"]["BTC"]["free"]) == 100 + bought
    assert Decimal(ledger["balances"]["USDT"]["free"]) == 1_000_000 - total(fills, "quoteQty")
