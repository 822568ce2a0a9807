"""Placements and cancels that go wrong on demand, and that nothing else does."""

from collections.abc import Callable
from decimal import Decimal
from http.client import IncompleteRead

import pytest
import requests
import websocket

from sandbox.api.signing import sign
from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET
from tests.sandbox.api_client import ApiClient
from tests.sandbox.venue import Json, Venue, receive_events
from tests.servers import HANG_S, eventually

BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, IncompleteRead)


def is_executed(venue: Venue, client_order_id: str) -> bool:
    """True where the ledger has the order."""
    return client_order_id in {row["origClientOrderId"] for row in venue.ledger()["orders"]}


def order_status(venue: Venue, client_order_id: str) -> Json:
    """Its status by REST, or the code of the error."""
    name = {"symbol": "BTCUSDT", "origClientOrderId": client_order_id}
    found = venue.signed_request("GET", "/api/v3/order", **name).json()
    return found.get("status", found.get("code"))


def place_order_briefly(venue: Venue, name: str, **params: object) -> requests.Response:
    """An order whose sender does not wait for long."""
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001&newClientOrderId={name}"
    query += "".join(f"&{key}={value}" for key, value in params.items())
    query += f"&timestamp={venue.clock.now_ms()}"
    url = f"{venue.url}/api/v3/order?{query}&signature={sign(SAMPLE_SECRET, query)}"
    return requests.post(url, headers={"X-MBX-APIKEY": SAMPLE_KEY}, timeout=(HANG_S, 0.2))


def logged_request(venue: Venue, name: str) -> Json:
    """The request that carried an order, as soon as the ledger has it."""

    def rows() -> list[Json]:
        logged = venue.ledger()["requests"]
        return [row for row in logged if row["params"].get("newClientOrderId") == name]

    assert eventually(rows)
    return rows()[0]


@pytest.mark.parametrize("done", [True, False])
def test_an_order_error_leaves_the_outcome_open(venue: Venue, done: bool) -> None:
    venue.inject_fault("order_error", executed=done)
    name = f"error-{done}"
    answer = venue.place_order(quantity="0.001", newClientOrderId=name)
    assert (answer.status_code, answer.json()["code"]) == (504, -1007)
    assert is_executed(venue, name) is done
    assert order_status(venue, name) == ("FILLED" if done else -2013)
    assert venue.place_order(quantity="0.001").json()["status"] == "FILLED"


def test_a_thin_book_fills_a_part_and_the_rest_expires(venue: Venue) -> None:
    venue.inject_fault("thin_book", share=0.25)
    answer = venue.place_order(quantity="0.004").json()
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "0.00100000")
    venue.inject_fault("thin_book", share=0)
    assert venue.place_order(quantity="0.004").json()["fills"] == []
    assert venue.place_order(quantity="0.004").json()["status"] == "FILLED"


def test_the_newest_order_may_be_in_a_status_that_nobody_knows(venue: Venue) -> None:
    for name in ("known", "strange"):
        venue.place_order(quantity="0.001", newClientOrderId=name)
    venue.inject_fault("unknown_status", seconds=60)
    assert order_status(venue, "strange") == "PENDING_SETTLEMENT"
    rows = venue.signed_request("GET", "/api/v3/allOrders", symbol="BTCUSDT").json()
    assert [row["status"] for row in rows[-2:]] == ["FILLED", "PENDING_SETTLEMENT"]
    requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
    assert order_status(venue, "strange") == "FILLED"


@pytest.mark.parametrize("done", [True, False])
def test_an_order_may_never_be_answered(venue: Venue, done: bool) -> None:
    venue.inject_fault("order_timeout", executed=done)
    name = f"hung-{done}"
    with pytest.raises(requests.Timeout):
        place_order_briefly(venue, name)
    assert logged_request(venue, name)
    assert is_executed(venue, name) is done


def test_an_order_may_be_answered_late(venue: Venue) -> None:
    venue.inject_fault("order_timeout", answer_after_ms=200)
    begun_ms = venue.clock.now_ms()
    assert venue.place_held_order(quantity="0.001").json()["status"] == "FILLED"
    assert venue.clock.now_ms() - begun_ms >= 200


def test_the_next_order_may_be_refused_with_any_code(venue: Venue) -> None:
    venue.inject_fault("reject", code=-2010, msg="Market is closed.", count=2)
    for _ in range(2):
        answer = venue.place_order(quantity="0.001", newClientOrderId="refused")
        assert answer.json() == {"code": -2010, "msg": "Market is closed."}
    assert not is_executed(venue, "refused")
    assert venue.place_order(quantity="0.001").ok


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("fault", ["order_reset", "order_half"])
def test_the_connection_may_break_with_or_amid_the_answer(
    venue: Venue, fault: str, done: bool
) -> None:
    venue.inject_fault(fault, executed=done)
    name = f"{fault}-{done}"
    with pytest.raises(BROKEN):
        venue.place_order(quantity="0.001", newClientOrderId=name)
    assert is_executed(venue, name) is done


def test_the_answer_may_be_a_page_of_html(venue: Venue) -> None:
    venue.inject_fault("order_html", status=503)
    answer = venue.place_order(quantity="0.001", newClientOrderId="page")
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (503, "text/html")
    assert is_executed(venue, "page")


def test_over_websocket_answers_break_the_same_ways(venue: Venue) -> None:
    api = ApiClient(venue)
    venue.inject_fault("order_html", status=502)
    assert (answer := api.place_order(quantity="0.001"))["status"] == 502
    assert answer["error"]["code"] == -1000
    venue.inject_fault("order_error", status=500, code=-1000, msg="?")
    assert api.place_order(quantity="0.001")["error"] == {"code": -1000, "msg": "?"}
    for fault in ("order_reset", "order_half"):
        venue.inject_fault(fault)
        broken = ApiClient(venue)
        with pytest.raises((websocket.WebSocketException, ConnectionError)):
            broken.place_order(quantity="0.001", newClientOrderId=f"ws-{fault}")
        assert is_executed(venue, f"ws-{fault}")


def test_an_order_may_be_carried_out_after_its_sender_gave_up(venue: Venue) -> None:
    venue.inject_fault("order_timeout", held_ms=400)
    with pytest.raises(requests.Timeout):
        place_order_briefly(venue, "late")
    assert logged_request(venue, "late")["orderId"] is None
    assert order_status(venue, "late") == -2013
    venue.pass_time(400)
    assert eventually(lambda: order_status(venue, "late") == "FILLED")
    sent = logged_request(venue, "late")
    assert (sent["fault"], sent["status"]) == ("order_timeout", None)
    assert sent["orderId"] is not None


def test_an_order_held_beyond_its_window_is_never_carried_out(venue: Venue) -> None:
    venue.inject_fault("held_order", ms=250)
    stale = {"quantity": "0.001", "newClientOrderId": "stale", "recvWindow": 100}
    refused = venue.place_held_order(**stale)
    assert refused.json()["code"] == -1021
    venue.inject_fault("order_timeout", held_ms=250)
    with pytest.raises(requests.Timeout):
        place_order_briefly(venue, "staler", recvWindow=100)
    assert logged_request(venue, "staler")
    venue.pass_time(250)
    venue.inject_fault("held_order", ms=100)
    assert venue.place_held_order(quantity="0.001").json()["status"] == "FILLED"
    assert not is_executed(venue, "stale")
    assert not is_executed(venue, "staler")


def test_an_accepted_order_may_be_executed_later(venue: Venue) -> None:
    venue.inject_fault("delayed_execution", ms=200)
    answer = venue.place_order(quantity="0.001", newClientOrderId="slow").json()
    assert (answer["status"], answer["fills"]) == ("NEW", [])
    assert order_status(venue, "slow") == "NEW"
    venue.pass_time(200)
    assert order_status(venue, "slow") == "FILLED"


def test_fills_may_be_spread_over_time(venue: Venue) -> None:
    venue.inject_fault("slow_fills", fills_over_ms=300)
    answer = venue.place_order(quantity="0.001", newClientOrderId="bits").json()
    assert answer["status"] == "PARTIALLY_FILLED"
    assert len(answer["fills"]) == 1
    venue.pass_time(400)
    assert order_status(venue, "bits") == "FILLED"
    (order,) = [o for o in venue.ledger()["orders"] if o["clientOrderId"] == "bits"]
    times = [fill["time"] for fill in order["fills"]]
    assert len(times) >= 4
    assert 300 <= times[-1] - times[0] < 500
    assert sum(Decimal(fill["qty"]) for fill in order["fills"]) == Decimal("0.001")


def test_a_cancel_goes_wrong_like_a_placement(fresh_venue: Venue) -> None:
    venue = fresh_venue
    last = Decimal(venue.get("/api/v3/ticker/price", symbol="BTCUSDT")["price"])
    order = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    price = (last * Decimal("0.9")).quantize(Decimal("0.01"))

    def cancel(name: str) -> requests.Response:
        venue.place_order(**order, price=price, newClientOrderId=name)
        gone = {"symbol": "BTCUSDT", "origClientOrderId": name}
        return venue.signed_request("DELETE", "/api/v3/order", **gone, newClientOrderId=f"x-{name}")

    venue.inject_fault("order_error", of="cancel")
    assert cancel("one").json()["code"] == -1007
    assert order_status(venue, "x-one") == "CANCELED"
    venue.inject_fault("order_error", of="cancel", executed=False)
    assert cancel("two").json()["code"] == -1007
    assert order_status(venue, "two") == "NEW"
    venue.inject_fault("reject", of="cancel", code=-2011, msg="Unknown order sent.")
    assert cancel("three").json()["code"] == -2011
    assert logged_request(venue, "x-one")["action"] == "cancel"


def free_usdt(venue: Venue) -> Callable[[], Json]:
    """The free USDT as REST shows it."""

    def usdt() -> Json:
        rows = venue.signed_request("GET", "/api/v3/account").json()["balances"]
        return next(row["free"] for row in rows if row["asset"] == "USDT")

    return usdt


def test_what_is_read_may_be_behind_what_was_done(venue: Venue) -> None:
    usdt = free_usdt(venue)
    venue.place_order(quantity="0.001", newClientOrderId="before")
    held = usdt()
    venue.pass_time(400)
    venue.inject_fault("read_lag", seconds=30, ms=400)
    new = venue.place_order(quantity="0.001", newClientOrderId="new").json()
    assert order_status(venue, "before") == "FILLED"
    assert order_status(venue, "new") == -2013
    name = {"symbol": "BTCUSDT", "orderId": new["orderId"]}
    assert venue.signed_request("GET", "/api/v3/myTrades", **name).json() == []
    assert usdt() == held
    venue.pass_time(400)
    assert order_status(venue, "new") == "FILLED"
    assert usdt() != held
    assert venue.signed_request("GET", "/api/v3/myTrades", **name).json()


@pytest.mark.parametrize("ms", [-8_000, 8_000])
def test_the_servers_clock_may_be_wrong(venue: Venue, ms: int) -> None:
    venue.inject_fault("clock_skew", ms=ms)
    refused = venue.place_order(quantity="0.001", newClientOrderId="timely")
    assert refused.json()["code"] == -1021
    received = venue.get("/api/v3/time")["serverTime"]
    assert abs(received - venue.clock.now_ms() - ms) < 500
    assert venue.place_order(quantity="0.001", timestamp=received).ok
    assert not is_executed(venue, "timely")
    assert logged_request(venue, "timely")["code"] == -1021


def test_limits_may_hold_for_orders_or_for_what_is_signed_alone(venue: Venue) -> None:
    venue.inject_fault("order_limit", seconds=2)
    limited = venue.place_order(quantity="0.001")
    assert (limited.status_code, limited.json()["code"]) == (429, -1015)
    assert limited.headers["Retry-After"] == "2"
    assert venue.signed_request("GET", "/api/v3/openOrders").ok
    venue.inject_fault("rate_limit", seconds=2, signed=True)
    assert venue.signed_request("GET", "/api/v3/openOrders").status_code == 429
    assert venue.request("GET", "/api/v3/time").ok


def test_a_reset_leaves_nothing_but_the_keys(fresh_venue: Venue) -> None:
    venue = fresh_venue
    first = venue.place_order(quantity="0.001", newClientOrderId="gone").json()
    newest = venue.get("/api/v3/trades", symbol="BTCUSDT")[-1]
    api, stream = ApiClient(venue).subscribed(), venue.socket("/ws/btcusdt@trade")
    assert venue.inject_fault("reset")["sockets"] == 2
    for socket in (api.socket, stream):
        with pytest.raises((websocket.WebSocketException, ConnectionError)):
            receive_events(socket, 1_000)
    assert order_status(venue, "gone") == -2013
    ledger = venue.ledger()
    assert (ledger["orders"], ledger["balances"]["USDT"]["free"]) == ([], "1000000.00000000")
    assert ledger["past"][0]["orders"][0]["orderId"] == first["orderId"]
    venue.step_until(lambda: venue.get("/api/v3/trades", symbol="BTCUSDT"))
    assert venue.get("/api/v3/trades", symbol="BTCUSDT")[-1]["id"] < newest["id"]
    klines = venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1m")
    assert len(klines) <= 2
    again = ApiClient(venue).subscribed()
    order = venue.place_order(quantity="0.001", newClientOrderId="anew").json()
    assert (order["status"], order["orderId"]) == ("FILLED", first["orderId"])
    assert again.receive_reports("FILLED")
