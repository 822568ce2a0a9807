"""Trading of a symbol that is suspended, symbols that are delisted, streams that carry nothing."""

import json
from itertools import pairwise

import pytest

from sandbox.data.klines import INTERVAL_MS
from tests.sandbox.venue import Venue, receive_events, receive_until

SPAN_MS = 150_000


def status_of(venue: Venue, symbol: str) -> str:
    (entry,) = venue.get("/api/v3/exchangeInfo", symbol=symbol)["symbols"]
    return str(entry["status"])


def kline_opens(venue: Venue, interval: str) -> list[int]:
    return [row[0] for row in venue.get("/api/v3/klines", symbol="BTCUSDT", interval=interval)]


@pytest.mark.parametrize("status", ["BREAK", "CANCEL_ONLY"])
def test_a_suspended_symbol_has_neither_trades_nor_klines_of_that_time(
    fresh_venue: Venue, status: str
) -> None:
    venue = fresh_venue
    venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1s")
    from_ms = venue.inject_fault("suspension", symbol="BTCUSDT", seconds=150, status=status)[
        "time_ms"
    ]
    assert status_of(venue, "BTCUSDT") == status
    refused = venue.place_order(quantity="0.001").json()
    assert (refused["code"], refused["msg"]) == (-2010, "Market is closed.")
    venue.pass_time(SPAN_MS - 1_000)
    socket = venue.socket("/stream?streams=btcusdt@aggTrade/btcusdt@kline_1s/btcusdt@kline_1m")
    (first,) = receive_events(socket, 1)
    assert first["data"]["E"] >= from_ms + SPAN_MS
    receive_until(socket, lambda event: event["data"]["e"] == "aggTrade")
    assert status_of(venue, "BTCUSDT") == "TRADING"
    for interval in ("1s", "1m"):
        length_ms = INTERVAL_MS[interval]
        opens = pairwise(kline_opens(venue, interval))
        (gap,) = [(a, b) for a, b in opens if b - a > length_ms and b > from_ms]
        assert gap == (
            from_ms // length_ms * length_ms,
            (from_ms + SPAN_MS) // length_ms * length_ms,
        )
    rows = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", limit=200)
    assert [row["a"] for row in rows] == list(range(rows[0]["a"], rows[0]["a"] + len(rows)))
    assert all(left["l"] + 1 == right["f"] for left, right in pairwise(rows))
    assert venue.place_order(quantity="0.001").ok


def test_under_a_halt_klines_go_on_flat(fresh_venue: Venue) -> None:
    venue = fresh_venue
    venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1s")
    venue.inject_fault("suspension", symbol="BTCUSDT", seconds=10, status="HALT")
    from_ms = venue.clock.now_ms()
    venue.pass_time(9_000)
    rows = venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1s", startTime=from_ms)
    assert len(rows) == 9
    assert {row[8] for row in rows} == {0}


def test_faults_that_are_ended_let_trading_go_on(fresh_venue: Venue) -> None:
    venue = fresh_venue
    venue.inject_fault("suspension", symbol="BTCUSDT")
    venue.inject_fault("delisting", symbol="ETHUSDT")
    venue.pass_time(3_000)
    assert status_of(venue, "BTCUSDT") == "BREAK"
    venue.run_in_loop(venue.server.faults.clear)
    assert status_of(venue, "BTCUSDT") == status_of(venue, "ETHUSDT") == "TRADING"


def test_a_delisted_symbol_is_unknown_to_every_request(fresh_venue: Venue) -> None:
    venue = fresh_venue
    resting = venue.place_order(
        type="LIMIT", timeInForce="GTC", quantity="0.01", price="40000", newClientOrderId="resting"
    )
    assert resting.json()["status"] == "NEW"
    venue.inject_fault("delisting", symbol="BTCUSDT")
    for path in ("exchangeInfo", "aggTrades", "depth", "ticker/price"):
        answer = venue.request("GET", f"/api/v3/{path}", symbol="BTCUSDT")
        assert (answer.status_code, answer.json()["code"]) == (400, -1121)
    for path in ("allOrders", "myTrades", "openOrders"):
        answer = venue.signed_request("GET", f"/api/v3/{path}", symbol="BTCUSDT")
        assert answer.json()["code"] == -1121
    assert venue.place_order(quantity="0.001").json()["code"] == -1121
    (order,) = venue.ledger()["orders"]
    assert order["status"] == "CANCELED"


def test_streams_that_are_deaf_carry_nothing_though_they_answer(fresh_venue: Venue) -> None:
    venue = fresh_venue
    venue.inject_fault("deaf", seconds=2)
    began_ms = venue.clock.now_ms()
    socket = venue.socket("/ws/btcusdt@kline_1s")
    socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
    assert "result" in json.loads(socket.recv())
    (first,) = receive_events(socket, 1)
    assert first["E"] >= began_ms + 2_000
