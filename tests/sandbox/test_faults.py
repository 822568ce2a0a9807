"""What goes wrong on demand, and that nothing else does."""

import time

import pytest
import requests
import websocket

from sandbox.signing import SAMPLE_KEY, SAMPLE_SECRET, signature
from tests.sandbox.venue import Venue, events


def executed(venue: Venue, client_order_id: str) -> bool:
    """Whether the ledger has the order."""
    return client_order_id in {row["origClientOrderId"] for row in venue.ledger()["orders"]}


def test_a_disconnect_ends_every_stream_without_a_close_frame(venue: Venue) -> None:
    sockets = [venue.socket("/ws/btcusdt@trade") for _ in range(3)]
    for socket in sockets:
        events(socket, 1)
    assert venue.fault("disconnect")["sockets"] >= 3
    for socket in sockets:
        with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
            events(socket, 1_000)
    assert events(venue.socket("/ws/btcusdt@trade"), 1)


def test_a_stall_keeps_the_socket_open_and_loses_what_happens_meanwhile(venue: Venue) -> None:
    stalled = venue.socket("/ws/btcusdt@aggTrade")
    last = events(stalled, 1)[0]["a"]
    assert venue.fault("stall", seconds=1.0)["sockets"] >= 1
    started = time.monotonic()
    assert events(venue.socket("/ws/btcusdt@aggTrade"), 1)  # a new one is served
    while (agg_id := events(stalled, 1)[0]["a"]) == last + 1:
        last = agg_id
    assert agg_id > last + 1
    assert time.monotonic() - started > 0.9


@pytest.mark.parametrize(("fault", "copies"), [("skip_ids", 0), ("duplicate", 2)])
def test_ids_are_missing_or_doubled_on_the_stream_and_whole_in_rest(
    venue: Venue, fault: str, copies: int
) -> None:
    socket = venue.socket("/ws/btcusdt@aggTrade")
    start = events(socket, 1)[0]["a"]
    venue.fault(fault, symbol="BTCUSDT", count=3)
    seen = [event["a"] for event in events(socket, 12)]
    wrong = [a for a in range(start + 1, max(seen)) if seen.count(a) != 1]
    assert len(wrong) == 3
    assert {seen.count(a) for a in wrong} == {copies}
    stored = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", fromId=start, limit=40)
    assert [row["a"] for row in stored] == list(range(start, start + len(stored)))


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


def test_a_fault_can_be_looked_at_and_taken_back(venue: Venue) -> None:
    venue.fault("skip_ids", symbol="NEXOUSDT", count=900)
    venue.fault("reject")
    waiting = venue.get("/sandbox/faults")
    assert 800 < waiting["skip_ids"]["NEXOUSDT"] <= 900  # it trades meanwhile
    assert [fault["fault"] for fault in waiting["orders"]] == ["reject"]
    requests.delete(f"{venue.url}/sandbox/faults", timeout=5)
    assert venue.get("/sandbox/faults")["orders"] == []


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"fault":"sulk"}', '{"fault":"stall"}', '{"fault":"reject","cod":1}']
)
def test_an_unknown_fault_or_parameter_is_refused_in_one_line(venue: Venue, body: str) -> None:
    answer = requests.post(f"{venue.url}/sandbox/faults", data=body, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"] == "bad_fault"
    assert "\n" not in answer.json()["detail"]
