"""REST that is slow, behind, refusing or broken on demand. Source: protocol D.1."""

import pytest
import requests

from tests.sandbox import expected
from tests.sandbox.venue import Venue, receive_events
from tests.servers import HANG_S

SECONDS = {"symbol": "BTCUSDT", "interval": "1s"}


def waited_ms(venue: Venue, path: str, **params: object) -> int:
    """How long the answer takes by the exchange's clock. Without, time stands still."""
    begun_ms = venue.clock.now_ms()
    with venue.moving():
        venue.get(path, **params)
    return venue.clock.now_ms() - begun_ms


def test_answers_of_some_paths_can_come_later(venue: Venue) -> None:
    venue.inject_fault("slow_rest", seconds=1.2, ms=400, paths=["/api/v3/klines"])
    assert venue.get("/api/v3/time")
    assert waited_ms(venue, "/api/v3/klines", **SECONDS) >= 400
    venue.shift_ms += 1_200
    assert venue.get("/api/v3/klines", **SECONDS)


def test_all_answers_can_come_later(venue: Venue) -> None:
    venue.inject_fault("slow_rest", seconds=30, ms=300)
    assert waited_ms(venue, "/api/v3/time") >= 300
    requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
    assert venue.get("/api/v3/time")


def test_the_database_can_be_behind_the_stream(venue: Venue) -> None:
    socket = venue.socket("/ws/btcusdt@aggTrade")
    venue.inject_fault("rest_lag", seconds=5, ms=1_500)
    received = receive_events(socket, 10)[-1]
    for path in ("aggTrades", "trades", "historicalTrades"):
        newest = venue.get(f"/api/v3/{path}", symbol="BTCUSDT")[-1]
        time_ms = newest.get("T", newest.get("time"))
        assert 1_500 <= venue.clock.now_ms() - time_ms < 3_500
        assert time_ms < received["T"]
    requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
    stored = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", fromId=received["a"])
    assert stored[0]["a"] == received["a"]


@pytest.mark.parametrize(("interval", "length_ms"), [("1s", 1_000), ("1m", 60_000)])
def test_klines_of_a_database_behind_lack_the_trades_since(
    venue: Venue, interval: str, length_ms: int
) -> None:
    venue.inject_fault("rest_lag", seconds=5, ms=1_700)
    before_ms = venue.clock.now_ms() - 1_700
    rows = expected.fetch_klines(venue, "BTCUSDT", interval)
    after_ms = venue.clock.now_ms() - 1_700
    aggs = expected.fetch_aggs(venue, "BTCUSDT")
    requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
    last = max(rows)
    assert last in (before_ms // length_ms * length_ms, after_ms // length_ms * length_ms)
    shown = rows[last][8]
    possible = []
    for horizon_ms in range(before_ms, after_ms + 1):
        inside = [agg for agg in aggs if last <= agg["T"] <= horizon_ms]
        possible.append(sum(agg["l"] - agg["f"] + 1 for agg in inside))
    assert shown in possible


@pytest.mark.parametrize(("banned", "status"), [(False, 429), (True, 418)])
def test_every_request_can_be_refused_for_a_while(venue: Venue, banned: bool, status: int) -> None:
    venue.inject_fault("rate_limit", seconds=1.5, banned=banned)
    for answer in (
        venue.request("GET", "/api/v3/klines", **SECONDS),
        venue.place_order(quantity="0.001"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, -1003)
        assert answer.headers["Retry-After"] in {"1", "2"}
    venue.shift_ms += 1_500
    assert venue.request("GET", "/api/v3/klines", **SECONDS).ok


def test_the_next_gets_can_fail_with_what_is_no_json(venue: Venue) -> None:
    venue.inject_fault("rest_error", count=2, status=503, paths=["/api/v3/aggTrades"])
    assert venue.request("GET", "/api/v3/time").ok
    for _ in range(2):
        answer = venue.request("GET", "/api/v3/aggTrades", symbol="BTCUSDT")
        assert answer.status_code == 503
        assert answer.headers["Content-Type"].startswith("text/html")
    assert venue.request("GET", "/api/v3/aggTrades", symbol="BTCUSDT").ok
