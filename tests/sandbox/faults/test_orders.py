"""Placements that go wrong on demand, and that nothing else does."""

import time

import pytest
import requests

from sandbox.signing import SAMPLE_KEY, SAMPLE_SECRET, signature
from tests.sandbox.venue import Venue


def executed(venue: Venue, client_order_id: str) -> bool:
    """Whether the ledger has the order."""
    return client_order_id in {row["origClientOrderId"] for row in venue.ledger()["orders"]}


@pytest.mark.parametrize("done", [True, False])
def test_an_order_error_leaves_the_outcome_open(venue: Venue, done: bool) -> None:
    venue.fault("order_error", executed=done)
    name = f"error-{done}"
    answer = venue.order(quantity="0.001", newClientOrderId=name)
    assert (answer.status_code, answer.json()["code"]) == (504, -1007)
    assert executed(venue, name) is done
    found = venue.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=name).json()
    assert found.get("status" if done else "code") == ("FILLED" if done else -2013)
    assert venue.order(quantity="0.001").json()["status"] == "FILLED"


@pytest.mark.parametrize("done", [True, False])
def test_an_order_may_never_be_answered(venue: Venue, done: bool) -> None:
    venue.fault("order_timeout", executed=done)
    name = f"hung-{done}"
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001&newClientOrderId={name}"
    query += f"&timestamp={venue.clock.now_ms()}"
    url = f"{venue.url}/api/v3/order?{query}&signature={signature(SAMPLE_SECRET, query)}"
    with pytest.raises(requests.Timeout):
        requests.post(url, headers={"X-MBX-APIKEY": SAMPLE_KEY}, timeout=0.4)
    assert executed(venue, name) is done


def test_an_order_may_be_answered_late(venue: Venue) -> None:
    venue.fault("order_timeout", answer_after_ms=300)
    started = time.monotonic()
    assert venue.order(quantity="0.001").json()["status"] == "FILLED"
    assert time.monotonic() - started > 0.3


def test_the_next_order_may_be_refused_with_any_code(venue: Venue) -> None:
    venue.fault("reject", code=-2010, msg="Market is closed.", count=2)
    for _ in range(2):
        answer = venue.order(quantity="0.001", newClientOrderId="refused")
        assert answer.json() == {"code": -2010, "msg": "Market is closed."}
    assert not executed(venue, "refused")
    assert venue.order(quantity="0.001").ok
