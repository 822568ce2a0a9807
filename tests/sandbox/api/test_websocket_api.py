"""The WebSocket API's envelope, signatures and limits. Source: protocol G and the vectors of J."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from sandbox.api.limits import WEIGHT_LIMIT
from sandbox.config import SAMPLE_KEY, SandboxConfig
from tests.sandbox.api_client import ApiClient, sign_params
from tests.sandbox.venue import Json, Venue, running

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
FULL_WIDTH = "\uff11\uff12\uff13\uff14\uff15\uff16"
PLACED = {"side": "SELL", "symbol": "BTCUSDT", "timeInForce": "GTC", "type": "LIMIT"}
SPAN = {"startTime": 1660780800000, "endTime": 1660867200000, "symbol": "BTCUSDT"}
VECTORS: list[tuple[str, Json, str]] = [
    (
        "order.place",
        {**PLACED, "price": "52000.00", "quantity": "0.01000000", "recvWindow": 100}
        | {"timestamp": 1645423376532},
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        "order.place",
        {**PLACED, "side": "BUY", "symbol": FULL_WIDTH, "price": "0.10000000"}
        | {"quantity": "1.00000000", "recvWindow": 5000, "timestamp": 1645423376532},
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
    (
        "session.logon",
        {"timestamp": 1649729878532},
        "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed",
    ),
    (
        "userDataStream.subscribe.signature",
        {"timestamp": 1747385641636},
        "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e",
    ),
    (
        "userDataStream.subscribe.signature",
        {"recvWindow": 5000, "timestamp": 1747385641636},
        "49601ffc5b0122c3c7ee3ea85ef7d6cd76256f5191a57c976418faa32e917653",
    ),
    (
        "order.status",
        {"orderId": 12569099453, "symbol": "BTCUSDT", "timestamp": 1660801720951},
        "2c3aab5a078ee4ea465ecd95523b77289f61476c2f238ec10c55ea6cb11a6f35",
    ),
    (
        "order.cancel",
        {"origClientOrderId": "4d96324ff9d44481926157", "symbol": "BTCUSDT"}
        | {"timestamp": 1660801715830},
        "33d5b721f278ae17a52f004a82a6f68a70c68e7dd6776ed0be77a455ab855282",
    ),
    (
        "account.status",
        {"timestamp": 1660801839480},
        "83303b4a136ac1371795f465808367242685a9e3a42b22edb4d977d0696eb45c",
    ),
    (
        "openOrders.status",
        {"symbol": "BTCUSDT", "timestamp": 1660813156812},
        "d632b3fdb8a81dd44f82c7c901833309dd714fe508772a89b0a35b0ee0c48b89",
    ),
    (
        "myTrades",
        {**SPAN, "timestamp": 1661955125250},
        "c5a5ffb79fd4f2e10a92f895d488943a57954edf5933bde3338dfb6ea6d6eefc",
    ),
    (
        "allOrders",
        {**SPAN, "limit": 5, "timestamp": 1661955123341},
        "f50a972ba7fad92842187643f6b930802d4e20bce1ba1e788e856e811577bd42",
    ),
]


@pytest.fixture
def api(venue: Venue) -> Iterator[ApiClient]:
    api = ApiClient(venue)
    yield api
    api.socket.close()


@pytest.fixture(scope="module")
def then() -> Iterator[Venue]:
    """An exchange whose servers' clock follows the vectors."""
    with running(SandboxConfig([])) as venue:
        yield venue


@pytest.mark.parametrize(("method", "params", "proof"), VECTORS)
def test_the_documented_signatures_hold(then: Venue, method: str, params: Json, proof: str) -> None:
    then.inject_fault("clock_skew", ms=0)
    then.run_in_loop(
        lambda: then.server.faults.requests.faults.skew_clock(2**62, skew_to(then, params))
    )
    api = ApiClient(then)
    answer = api.request(method, **params, apiKey=SAMPLE_KEY, signature=proof)
    assert answer.get("error", {}).get("code") not in (-1021, -1022, -1102, -2015)
    wrong = api.request(method, **params, apiKey=SAMPLE_KEY, signature=proof[::-1])
    assert (wrong["status"], wrong["error"]["code"]) == (400, -1022)


def skew_to(venue: Venue, params: Json) -> int:
    return int(params["timestamp"]) - venue.clock.now_ms()


def test_an_answer_has_its_requests_id_status_result_and_limits(api: ApiClient) -> None:
    answer = api.request("time")
    assert set(answer) == {"id", "status", "result", "rateLimits"}
    assert (answer["id"], answer["status"]) == (1, 200)
    assert abs(answer["result"]["serverTime"] - api.venue.clock.now_ms()) < 1000
    (weight,) = answer["rateLimits"]
    assert (weight["rateLimitType"], weight["limit"]) == ("REQUEST_WEIGHT", WEIGHT_LIMIT)
    assert api.request("ping")["rateLimits"][0]["count"] == weight["count"] + 1
    api.socket.send('{"id":null,"method":"v3/ping"}')
    assert api.receive_answer(None)["result"] == {}


def test_limits_are_left_out_where_they_are_not_wanted(api: ApiClient, venue: Venue) -> None:
    assert "rateLimits" not in api.request("ping", returnRateLimits=False)
    assert "rateLimits" not in ApiClient(venue, "/ws-api/v3?returnRateLimits=false").request("ping")
    params = {"returnRateLimits": "false", "timestamp": venue.clock.now_ms()}
    assert api.request("account.status", **sign_params(params))["status"] == 200


def test_opening_a_connection_weighs_two(api: ApiClient, venue: Venue) -> None:
    before = api.request("ping")["rateLimits"][0]["count"]
    assert ApiClient(venue).request("ping")["rateLimits"][0]["count"] == before + 2 + 1


def test_public_methods_answer_like_their_rest_twins(api: ApiClient, venue: Venue) -> None:
    info = api.request("exchangeInfo", symbols=["BTCUSDT", "ETHUSDT"])["result"]
    assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert info["rateLimits"][-1]["rateLimitType"] == "CONNECTIONS"
    asked: dict[str, Any] = {"symbol": "BTCUSDT", "interval": "1m", "limit": 3}
    rows = api.request("klines", **asked)["result"]
    assert rows[:2] == venue.get("/api/v3/klines", **asked)[:2]
    first = api.request("trades.aggregate", symbol="BTCUSDT", limit=1)["result"][0]["a"]
    same = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", fromId=first, limit=1)
    assert (
        api.request("trades.aggregate", symbol="BTCUSDT", fromId=first, limit=1)["result"] == same
    )
    assert api.request("ticker.price", symbol="BTCUSDT")["result"]["symbol"] == "BTCUSDT"
    for method in ("trades.recent", "trades.historical", "depth", "avgPrice", "ticker.book"):
        assert api.request(method, symbol="BTCUSDT")["status"] == 200


def test_an_order_is_placed_found_cancelled_and_listed(api: ApiClient) -> None:
    bid = api.request("ticker.book", symbol="BTCUSDT")["result"]["bidPrice"]
    limit = {**PLACED, "side": "BUY", "quantity": "0.01", "price": f"{float(bid) * 0.9:.2f}"}
    placed = api.place_order(**limit, newClientOrderId="ws-1")
    assert [row["rateLimitType"] for row in placed["rateLimits"]] == [
        "ORDERS",
        "ORDERS",
        "REQUEST_WEIGHT",
    ]
    number = placed["result"]["orderId"]
    found = api.signed_request("order.status", symbol="BTCUSDT", origClientOrderId="ws-1")["result"]
    assert (found["orderId"], found["status"]) == (number, "NEW")
    assert found in api.signed_request("openOrders.status", symbol="BTCUSDT")["result"]
    gone = api.signed_request("order.cancel", symbol="BTCUSDT", orderId=number)["result"]
    assert (gone["status"], gone["origClientOrderId"]) == ("CANCELED", "ws-1")
    assert api.place_order(quantity="0.001")["result"]["status"] == "FILLED"
    orders = api.signed_request("allOrders", symbol="BTCUSDT", orderId=number)["result"]
    assert [order["status"] for order in orders] == ["CANCELED", "FILLED"]
    trades = api.signed_request("myTrades", symbol="BTCUSDT", orderId=orders[1]["orderId"])[
        "result"
    ]
    assert trades
    assert api.signed_request("order.test", **ORDER)["result"] == {}
    assert api.signed_request("account.status", omitZeroBalances=True)["result"]["balances"]
    empty = api.signed_request("openOrders.cancelAll", symbol="BTCUSDT")
    assert (empty["status"], empty["error"]["code"]) == (400, -2011)


BAD_REQUESTS: list[tuple[str, object, int, int]] = [
    ("{", None, 400, -1135),
    ("[1]", None, 400, -1135),
    ('{"id":7}', 7, 400, -1130),
    ('{"id":"a","method":"order.dance"}', "a", 400, -1130),
    ('{"id":1,"method":"ping","params":[]}', 1, 400, -1130),
    ('{"id":1,"method":"ping","params":{"a":1}}', 1, 400, -1104),
    ('{"id":1,"method":"ticker.price","params":{"symbol":"NOPE"}}', 1, 400, -1121),
    ('{"id":1,"method":"account.status"}', 1, 400, -1102),
    ('{"id":1,"method":"account.status","params":{"timestamp":1.5}}', 1, 400, -1102),
    ('{"id":1,"method":"userDataStream.subscribe"}', 1, 401, -1002),
    ('{"id":1,"method":"userDataStream.start"}', 1, 400, -1130),
]


@pytest.mark.parametrize(("message", "number", "status", "code"), BAD_REQUESTS)
def test_a_bad_request_is_refused_with_its_code(
    api: ApiClient, message: str, number: int | str | None, status: int, code: int
) -> None:
    api.socket.send(message)
    answer = api.receive_answer(number)
    assert (answer["status"], answer["error"]["code"]) == (status, code)


def test_keys_of_this_kind_cannot_log_on(api: ApiClient) -> None:
    refused = api.signed_request("session.logon")
    assert (refused["status"], refused["error"]["code"]) == (400, -4056)
    status = api.request("session.status")["result"]
    assert (status["apiKey"], status["userDataStream"]) == (None, False)
    assert api.request("session.logout")["status"] == 200
    params = sign_params({"timestamp": api.venue.clock.now_ms()}, key="x" * 64)
    unknown = api.request("account.status", **params)
    assert (unknown["status"], unknown["error"]["code"]) == (401, -2015)


def test_beyond_the_limit_the_answer_says_when_to_come_again(fresh_venue: Venue) -> None:
    api = ApiClient(fresh_venue)
    api.request("ping")
    fresh_venue.server.dispatcher.limiter.charge("127.0.0.1", 5_990, fresh_venue.clock.now_ms())
    refused = api.request("exchangeInfo", symbol="BTCUSDT")
    assert (refused["status"], refused["error"]["code"]) == (429, -1003)
    data = refused["error"]["data"]
    assert data["retryAfter"] % 60_000 == 0
    assert 0 < data["retryAfter"] - data["serverTime"] <= 60_000


def test_a_ban_is_answered_and_ends_the_connection(api: ApiClient, venue: Venue) -> None:
    venue.inject_fault("rate_limit", seconds=30, banned=True)
    banned = api.request("ping")
    assert (banned["status"], banned["error"]["code"]) == (418, -1003)
    assert api.socket.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_CLOSE


def test_it_pings_and_ends_like_a_stream() -> None:
    with running(SandboxConfig([], lifetime_ms=700)) as venue:
        api = ApiClient(venue)
        api.request("ping")
        assert api.socket.recv_data(control_frame=True) == (
            websocket.ABNF.OPCODE_CLOSE,
            b"\x03\xe9",
        )


def test_silent_clients_are_pinged_and_cut(fresh_venue: Venue) -> None:
    mute = ApiClient(fresh_venue)
    mute.request("ping")
    for seconds in (20, 40, 60):
        fresh_venue.shift_ms = seconds * 1000
        frame = mute.socket.recv_frame()  # unlike recv, it sends no pong
        if seconds < 60:
            assert frame.opcode == websocket.ABNF.OPCODE_PING
    assert (frame.opcode, frame.data) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xf0Pong timeout")


def test_a_slow_order_holds_nobody_up(api: ApiClient, venue: Venue) -> None:
    venue.inject_fault("order_timeout", answer_after_ms=300)
    order = api.send_order(quantity="0.001")
    assert api.request("ping")["status"] == 200
    venue.pass_time(300)
    assert api.receive_answer(order)["result"]["status"] == "FILLED"


def test_numbers_are_signed_as_they_are_written(api: ApiClient, venue: Venue) -> None:
    params = sign_params({"recvWindow": "6000.250", "timestamp": venue.clock.now_ms()})
    text = json.dumps(params).replace('"6000.250"', "6000.250")
    api.socket.send(f'{{"id":5,"method":"account.status","params":{text}}}')
    assert api.receive_answer(5)["status"] == 200
