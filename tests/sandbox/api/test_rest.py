"""Public REST endpoints, weights and errors. Source: protocol D.1, D.4, D.5."""

from itertools import pairwise

import pytest
import requests

from sandbox.api.limits import MAX_IGNORED_REFUSALS, WEIGHT_LIMIT
from tests.sandbox.venue import Json, Venue

HOUR_MS = 3_600_000


def test_the_day_before_is_there_at_once_without_a_hole(fresh_venue: Venue) -> None:
    for interval, length, least in (("1m", 60_000, 1440), ("1s", 1000, 3600), ("1h", HOUR_MS, 24)):
        rows: list[Json] = []
        page: list[Json] = []
        start = fresh_venue.clock.now_ms() - least * length
        while not rows or len(page) == 1000:
            bounds = {"startTime": rows[-1][0] + 1 if rows else start, "limit": 1000}
            page = fresh_venue.get("/api/v3/klines", symbol="ETHUSDT", interval=interval, **bounds)
            rows += page
        assert len(rows) >= least - 1
        assert {b[0] - a[0] for a, b in pairwise(rows)} == {length}
        assert all(row[6] == row[0] + length - 1 for row in rows)


def test_recent_klines_are_exactly_their_trades(venue: Venue) -> None:
    klines = venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=9)[:-1]
    for kline in klines[-3:]:
        first, last = trades_between(venue, kline[0], kline[6])
        rows = venue.get(
            "/api/v3/historicalTrades", symbol="BTCUSDT", fromId=first, limit=last - first + 1
        )
        assert [row["id"] for row in rows] == list(range(first, last + 1))
        assert kline[8] == len(rows)
        prices = [row["price"] for row in rows]
        assert (kline[1], kline[4]) == (prices[0], prices[-1])
        assert (float(kline[2]), float(kline[3])) == (
            max(map(float, prices)),
            min(map(float, prices)),
        )


def trades_between(venue: Venue, start_ms: int, end_ms: int) -> tuple[int, int]:
    """First and last trade id of a span, from its aggregate trades."""
    aggs = venue.get(
        "/api/v3/aggTrades", symbol="BTCUSDT", startTime=start_ms, endTime=end_ms, limit=1000
    )
    assert [agg["a"] for agg in aggs] == list(range(aggs[0]["a"], aggs[-1]["a"] + 1))
    joints = pairwise(aggs)
    assert all(right["f"] == left["l"] + 1 for left, right in joints)
    return aggs[0]["f"], aggs[-1]["l"]


def test_bursts_share_a_millisecond_and_prices_move(venue: Venue) -> None:
    trades = venue.get("/api/v3/trades", symbol="BTCUSDT", limit=1000)
    assert len({trade["time"] for trade in trades}) < len(trades) * 0.8
    assert len({trade["price"] for trade in trades}) > 100
    assert {trade["isBuyerMaker"] for trade in trades} == {True, False}


def test_exchange_info_lists_rules_that_can_be_read(venue: Venue) -> None:
    info = venue.get("/api/v3/exchangeInfo", symbol="BTCUSDT")
    (symbol,) = info["symbols"]
    filters = {row["filterType"]: row for row in symbol["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert filters["MARKET_LOT_SIZE"]["stepSize"] == "0.00000000"
    assert filters["NOTIONAL"]["applyMinToMarket"] is True
    assert info["rateLimits"][0]["limit"] == WEIGHT_LIMIT
    every = venue.get("/api/v3/exchangeInfo")["symbols"]
    assert {"BTCUSDT", "ETHUSDT", "NEXOUSDT"} <= {row["symbol"] for row in every}
    two = venue.get("/api/v3/exchangeInfo", symbols='["ETHUSDT","BTCUSDT"]')["symbols"]
    assert {row["symbol"] for row in two} == {"BTCUSDT", "ETHUSDT"}


def test_tickers_agree_with_the_market(venue: Venue) -> None:
    book = venue.get("/api/v3/ticker/bookTicker", symbol="BTCUSDT")
    assert float(book["bidPrice"]) < float(book["askPrice"])
    assert len(venue.get("/api/v3/ticker/price")) == len(venue.get("/api/v3/ticker/24hr")) > 5
    day = venue.get("/api/v3/ticker/24hr", symbol="BTCUSDT")
    assert float(day["lowPrice"]) <= float(day["lastPrice"]) <= float(day["highPrice"])
    assert day["lastId"] - day["firstId"] + 1 == day["count"]
    depth = venue.get("/api/v3/depth", symbol="BTCUSDT", limit=5)
    assert len(depth["bids"]) == len(depth["asks"]) == 5


BAD_CALLS = [
    ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
    ("klines", {"symbol": "NOPE", "interval": "1m"}, -1121),
    ("klines", {"interval": "1m"}, -1102),
    ("klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": "0"}, -1130),
    ("klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": "x"}, -1100),
    ("ticker/price", {"symbols": '["BTCUSDT","BTCUSDT"]'}, -1151),
    ("ping", {"nonsense": "1"}, -1104),
    ("trades", {"symbol": ["BTCUSDT", "ETHUSDT"]}, -1101),
]


@pytest.mark.parametrize(("path", "params", "code"), BAD_CALLS)
def test_a_bad_call_is_refused_with_its_code(
    venue: Venue, path: str, params: dict[str, object], code: int
) -> None:
    answer = venue.request("GET", f"/api/v3/{path}", **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_unknown_paths_are_404_and_listen_keys_are_gone(venue: Venue) -> None:
    assert venue.request("GET", "/sapi/v1/system/status").status_code == 404
    for method in ("POST", "PUT", "DELETE"):
        assert venue.request(method, "/api/v3/userDataStream").status_code == 410


def test_weights_are_counted_and_placements_that_work_are_free(venue: Venue) -> None:
    def used(answer: requests.Response) -> int:
        assert answer.headers["X-MBX-USED-WEIGHT"] == answer.headers["X-MBX-USED-WEIGHT-1M"]
        return int(answer.headers["X-MBX-USED-WEIGHT-1M"])

    while venue.clock.now_ms() % 60_000 > 58_000:
        venue.shift_ms += 2_000  # not across a minute, where counts start over
    before = used(venue.request("GET", "/api/v3/ping"))
    assert (
        used(venue.request("GET", "/api/v3/klines", symbol="BTCUSDT", interval="1m")) == before + 2
    )
    assert used(venue.request("GET", "/api/v3/exchangeInfo", symbol="BTCUSDT")) == before + 22
    placed = venue.place_order(quantity="0.001")
    assert used(placed) == before + 22
    assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "0"  # filled as taker
    assert used(venue.place_order(quantity="0")) == before + 23


def test_beyond_the_limit_comes_429_then_418_and_a_new_minute_helps(fresh_venue: Venue) -> None:
    venue = fresh_venue
    weights, now_ms = venue.server.dispatcher.limiter, venue.clock.now_ms()
    weights.charge("127.0.0.1", WEIGHT_LIMIT, now_ms)
    answer = venue.request("GET", "/api/v3/ping")
    assert (answer.status_code, answer.json()["code"]) == (429, -1003)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    venue.shift_ms += 60_000
    assert venue.request("GET", "/api/v3/ping").ok
    weights.charge("127.0.0.1", WEIGHT_LIMIT - 1, venue.clock.now_ms())
    for _ in range(MAX_IGNORED_REFUSALS):
        assert venue.request("GET", "/api/v3/ping").status_code == 429
    banned = venue.request("GET", "/api/v3/ping")
    assert (banned.status_code, banned.headers["Retry-After"]) == (418, "120")


def test_resting_orders_fill_the_order_count(fresh_venue: Venue) -> None:
    price = fresh_venue.get("/api/v3/ticker/price", symbol="XRPUSDT")["price"]
    order = {"symbol": "XRPUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "20"}
    resting = {**order, "price": f"{float(price) * 0.9:.4f}"}
    answers = [fresh_venue.place_order(**resting) for _ in range(52)]
    limited = next(answer for answer in answers if not answer.ok)
    assert (limited.status_code, limited.json()["code"]) == (429, -1015)
    assert 1 <= int(limited.headers["Retry-After"]) <= 10
