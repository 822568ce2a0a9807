"""What each answer of the exchange means, over real HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from redis import Redis

from foundation.times import now_ms
from market.ratelimit.limiter import shared_limiter
from market.ticks import Side
from orders.core.status import OrderStatus
from orders.venue.binance import BinanceExchange
from orders.venue.exchange import Busy, OrderRequest, OutcomeUnknown, Refused
from orders.venue.signing import signature
from tests.servers import free_port

FREE = {"commission": "0", "commissionAsset": "BTC"}
FILLED = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": "t-1",
    "transactTime": 1790000000123,
    "executedQty": "0.00300000",
    "cummulativeQuoteQty": "180.03000000",
    "status": "FILLED",
    "side": "BUY",
    "aFieldOfTomorrow": {},
    "fills": [
        {"price": "60000.0", "qty": "0.001", "tradeId": 56, **FREE},
        {"price": "60015.0", "qty": "0.002", "tradeId": 57, **FREE},
    ],
}
KEY, SECRET = "the-key", "the-secret"


class Venue(ThreadingHTTPServer):
    """Answers with what is next in line; knows the time; remembers what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, str], bytes] | None] = []
        self.requests: list[tuple[str, str, str]] = []  # method, path, signed payload
        self.ahead_ms = 0
        self.connections = 0
        self.exchange = BinanceExchange(f"http://127.0.0.1:{self.server_port}", KEY, SECRET)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def verify_request(self, *_: object) -> bool:
        self.connections += 1
        return True

    def will(self, status: int, body: object = b"", **headers: str) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}, text))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Venue

    def do_GET(self) -> None:
        if self.path == "/api/v3/time":
            now = now_ms() + self.server.ahead_ms
            return self._say(200, {}, json.dumps({"serverTime": now}).encode())
        return self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, payload: str) -> None:
        assert self.headers["X-MBX-APIKEY"] == KEY
        self.server.requests.append((self.command, urlsplit(self.path).path, payload))
        answer = self.server.answers.pop(0)
        if answer is None:  # hang up without a word
            self.close_connection = True
        else:
            self._say(*answer)

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def venue(redis: Redis) -> Iterator[Venue]:
    shared_limiter.cache_clear()  # of an earlier venue on the same port
    server = Venue()
    yield server
    server.shutdown()
    server.server_close()


def request() -> OrderRequest:
    now = now_ms()
    return OrderRequest("BTCUSDT", Side.BUY, Decimal("0.0030"), "t-1", now)


def sent(payload: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(payload).items()}


def test_a_market_order_is_signed_and_its_fills_read(venue: Venue) -> None:
    venue.will(200, FILLED)
    report = venue.exchange.place(request())
    assert (report.status, report.executed_quantity) == (OrderStatus.FILLED, Decimal("0.003"))
    assert [(f.trade_id, f.price) for f in report.fills] == [
        (56, Decimal(60000)),
        (57, Decimal(60015)),
    ]
    [(method, path, payload)] = venue.requests
    unsigned, _, mark = payload.rpartition("&signature=")
    assert (method, path) == ("POST", "/api/v3/order")
    assert mark == signature(SECRET, unsigned)
    assert sent(payload)["quantity"] == "0.003"
    assert sent(payload)["newOrderRespType"] == "FULL"


def test_a_status_that_nobody_knows_is_unknown_and_the_fills_are_read(venue: Venue) -> None:
    venue.will(200, {**FILLED, "status": "BRAND_NEW"})
    report = venue.exchange.place(request())
    assert (report.status, report.reason) == (OrderStatus.UNKNOWN, "the exchange says 'BRAND_NEW'")
    assert len(report.fills) == 2


def test_an_order_finds_an_open_connection_and_the_clock_measured(venue: Venue) -> None:
    venue.exchange.keep_ready()
    assert venue.connections == 1
    venue.will(200, FILLED)
    venue.exchange.place(request())
    venue.exchange.keep_ready()
    assert venue.connections == 1
    assert len(venue.requests) == 1


def test_an_order_bears_the_time_of_its_claim_by_the_clock_of_the_exchange(venue: Venue) -> None:
    venue.ahead_ms = 60_000
    venue.will(200, FILLED)
    order = request()
    venue.exchange.place(order)
    stamp = int(sent(venue.requests[0][2])["timestamp"])
    assert -200 < stamp - order.claimed_ms - 60_000 <= 0


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, {"code": -1013, "msg": "Filter failure: LOT_SIZE"}, Refused),
        (400, {"code": -2010, "msg": "insufficient balance"}, Refused),
        (401, {"code": -2015, "msg": "Invalid API-key"}, Refused),
        (404, b"<html>", Refused),
        (429, {"code": -1003, "msg": "Too much request weight used"}, Busy),
        (429, {"code": -1015, "msg": "Too many new orders"}, Busy),
        (418, b"", Busy),
        (403, b"<html>", Busy),
        (500, {"code": -1000, "msg": "unknown"}, OutcomeUnknown),
        (502, b"<html>", OutcomeUnknown),
        (503, {"code": -1008, "msg": "overloaded"}, OutcomeUnknown),
        (504, {"code": -1007, "msg": "Timeout waiting for response"}, OutcomeUnknown),
        (400, {"code": -1001, "msg": "Internal error"}, OutcomeUnknown),
        (400, {"code": -1006, "msg": "unexpected response"}, OutcomeUnknown),
        (408, b"", OutcomeUnknown),
        (200, b"", OutcomeUnknown),
        (200, b'{"orderId": 28, "clie', OutcomeUnknown),
        (302, b"", OutcomeUnknown),
    ],
)
def test_no_not_now_and_no_answer_are_told_apart(
    venue: Venue, status: int, body: object, failure: type[Exception]
) -> None:
    venue.will(status, body)
    with pytest.raises(failure):
        venue.exchange.place(request())
    assert len(venue.requests) == 1


def test_a_connection_cut_after_sending_is_no_answer(venue: Venue) -> None:
    venue.answers.append(None)
    with pytest.raises(OutcomeUnknown):
        venue.exchange.place(request())
    assert len(venue.requests) == 1


def test_an_exchange_that_cannot_be_reached_was_sent_nothing() -> None:
    exchange = BinanceExchange(f"http://127.0.0.1:{free_port()}", KEY, SECRET)
    with pytest.raises(Busy, match="not sent"):
        exchange.place(request())


def test_an_exchange_that_went_away_was_sent_nothing(venue: Venue) -> None:
    venue.will(200, FILLED)
    venue.exchange.place(request())
    fresh = BinanceExchange(f"http://127.0.0.1:{free_port()}", KEY, SECRET)
    fresh._clock, fresh._measured_at = venue.exchange._clock, time.monotonic()
    with pytest.raises(Busy, match="not sent: no connection"):
        fresh.place(request())


def test_silence_is_kept_as_long_as_the_exchange_asks(venue: Venue) -> None:
    venue.will(418, b"", Retry_After="100")
    for _ in range(3):
        with pytest.raises(Busy) as busy:
            venue.exchange.place(request())
        assert 90 < busy.value.retry_after_s <= 100
    assert len(venue.requests) == 1


@pytest.mark.parametrize("code", [-1003, -1015])
def test_a_silence_holds_for_every_process_and_for_one_that_starts_anew(
    venue: Venue, code: int
) -> None:
    venue.will(429, {"code": code, "msg": "Too many"}, Retry_After="100")
    with pytest.raises(Busy):
        venue.exchange.place(request())
    shared_limiter.cache_clear()
    fresh = BinanceExchange(f"http://127.0.0.1:{venue.server_port}", KEY, SECRET)
    for ask in (lambda: fresh.place(request()), lambda: fresh.lookup("BTCUSDT", "t-1", None)):
        with pytest.raises(Busy, match="not sent"):
            ask()
    assert len(venue.requests) == 1


def test_an_order_beyond_what_is_allowed_is_not_sent(venue: Venue) -> None:
    venue.exchange.keep_ready()
    limiter = shared_limiter(f"http://127.0.0.1:{venue.server_port}")
    limiter.set_order_limits({86_400: 1})
    venue.will(200, {**FILLED, "side": "SELL"})
    with pytest.raises(Busy, match="not sent: as many orders as are allowed"):
        venue.exchange.place(request())  # an entry leaves the last place to an exit
    venue.exchange.place(replace(request(), side=Side.SELL))
    assert len(venue.requests) == 1


def test_an_order_costs_one_round_trip_to_redis(venue: Venue, redis: Redis) -> None:
    for _ in range(6):
        venue.will(200, FILLED, X_MBX_ORDER_COUNT_10S="0", X_MBX_ORDER_COUNT_1D="0")
    venue.exchange.place(request())  # measures the clock and loads the script
    redis.config_resetstat()
    for _ in range(5):
        venue.exchange.place(request())
    calls = redis.info("commandstats")
    assert sum(calls[name]["calls"] for name in calls if "eval" in name) == 5


def test_a_clock_found_wrong_is_measured_and_the_order_signed_anew(venue: Venue) -> None:
    venue.will(400, {"code": -1021, "msg": "outside of the recvWindow"})
    venue.will(200, FILLED)
    order = request()
    venue.exchange._measure(older_than_s=0)
    venue.ahead_ms = 60_000  # as if our clock had been set back
    assert venue.exchange.place(order).status == OrderStatus.FILLED
    first, second = (int(sent(payload)["timestamp"]) for _, _, payload in venue.requests)
    assert abs(second - first - 60_000) < 1000


def test_an_order_that_waited_too_long_here_is_put_back(venue: Venue) -> None:
    for _ in range(2):
        venue.will(400, {"code": -1021, "msg": "outside of the recvWindow"})
    with pytest.raises(Busy):
        venue.exchange.place(request())
    assert len(venue.requests) == 2


def test_a_lookup_brings_the_fills(venue: Venue) -> None:
    trade = {
        "symbol": "BTCUSDT",
        "id": 56,
        "orderId": 28,
        "isBuyer": True,
        "price": "60000",
        "qty": "0.003",
        "time": 1790000000005,
        **FREE,
    }
    venue.will(200, {**FILLED, "fills": []})
    venue.will(200, [trade])
    report = venue.exchange.lookup("BTCUSDT", "t-1", None)
    assert report is not None
    assert [(f.trade_id, f.time_ms) for f in report.fills] == [(56, 1790000000005)]
    order, trades = (sent(payload) for _, _, payload in venue.requests)
    assert (order["origClientOrderId"], trades["orderId"]) == ("t-1", "28")


def test_a_lookup_goes_by_the_id_of_the_exchange_where_that_is_known(venue: Venue) -> None:
    venue.will(200, {**FILLED, "executedQty": "0", "status": "NEW"})
    venue.exchange.lookup("BTCUSDT", "t-1", 28)
    assert sent(venue.requests[0][2])["orderId"] == "28"


def test_an_order_that_the_exchange_does_not_know_is_none(venue: Venue) -> None:
    venue.will(400, {"code": -2013, "msg": "Order does not exist."})
    assert venue.exchange.lookup("BTCUSDT", "t-1", None) is None


def test_no_text_of_ours_shows_a_secret(venue: Venue) -> None:
    venue.answers.append(None)
    with pytest.raises(OutcomeUnknown) as failure:
        venue.exchange.lookup("BTCUSDT", "t-1", None)
    for text in (str(failure.value), repr(venue.exchange), str(failure.value.__cause__)):
        assert not any(word in text for word in (SECRET, KEY, "signature"))
    assert failure.value.__suppress_context__
