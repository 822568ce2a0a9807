"""Market streams over real sockets. Source: protocol B, C."""

import socket as tcp
from itertools import pairwise

import pytest
import websocket

from tests.sandbox.venue import (
    Venue,
    receive_closed_klines,
    receive_events,
    receive_reply,
    receive_until,
    send_control,
)
from tests.servers import eventually


def test_a_raw_stream_carries_bare_events_with_contiguous_ids(venue: Venue) -> None:
    aggs = receive_events(venue.socket("/ws/btcusdt@aggTrade"), 8)
    assert [agg["a"] for agg in aggs] == list(range(aggs[0]["a"], aggs[0]["a"] + 8))
    assert all(right["f"] == left["l"] + 1 for left, right in pairwise(aggs))
    assert set(aggs[0]) == {*"eEsapqflTmM"}
    stored = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", fromId=aggs[0]["a"], limit=8)
    for sent, kept in zip(aggs, stored, strict=True):
        assert {field: sent[field] for field in kept} == kept


def test_a_combined_stream_names_the_stream_of_each_event(venue: Venue) -> None:
    socket = venue.socket("/stream?streams=btcusdt@trade/btcusdt@aggTrade/ethusdt%40trade")
    seen = {event["stream"]: event["data"] for event in receive_events(socket, 60)}
    assert set(seen) == {"btcusdt@trade", "btcusdt@aggTrade", "ethusdt@trade"}
    trade = seen["btcusdt@trade"]
    assert set(trade) == {*"eEstpqTmM"}
    assert (trade["e"], trade["s"]) == ("trade", "BTCUSDT")
    assert trade["E"] >= trade["T"]


def test_book_and_mini_tickers_have_their_shapes(venue: Venue) -> None:
    socket = venue.socket("/stream?streams=btcusdt@bookTicker/btcusdt@miniTicker/!miniTicker@arr")
    book = receive_until(socket, lambda event: event["stream"] == "btcusdt@bookTicker")["data"]
    assert set(book) == {*"usbBaA"}
    mini = receive_until(socket, lambda event: event["stream"] == "btcusdt@miniTicker")["data"]
    assert set(mini) == {*"eEscohlvq"}
    assert mini in receive_until(socket, lambda event: event["stream"] == "!miniTicker@arr")["data"]


def test_subscriptions_change_while_connected(venue: Venue) -> None:
    socket = venue.socket("/ws")
    assert send_control(socket, "SUBSCRIBE", "btcusdt@trade", "ethusdt@trade") == {
        "result": None,
        "id": 1,
    }
    send_control(socket, "UNSUBSCRIBE", "btcusdt@trade", id=2)
    assert send_control(socket, "LIST_SUBSCRIPTIONS", id=None) == {
        "result": ["ethusdt@trade"],
        "id": None,
    }
    assert {event["s"] for event in receive_events(socket, 5)} == {"ETHUSDT"}


def test_wrapping_is_a_property_of_the_connection(venue: Venue) -> None:
    socket = venue.socket("/ws/btcusdt@trade")
    assert send_control(socket, "GET_PROPERTY", "combined")["result"] is False
    assert send_control(socket, "SET_PROPERTY", "combined", True, id="b2")["result"] is None
    assert send_control(socket, "GET_PROPERTY", "combined")["result"] is True
    assert set(receive_events(socket, 1)[0]) == {"stream", "data"}


def test_an_unknown_symbol_is_accepted_and_stays_silent(venue: Venue) -> None:
    socket = venue.socket("/ws")
    names = ("nopeusdt@trade", "BTCUSDT@trade")
    assert send_control(socket, "SUBSCRIBE", *names)["result"] is None
    assert send_control(socket, "LIST_SUBSCRIPTIONS")["result"] == list(names)
    venue.pass_time(5_000)
    assert not socket.has_more()


BAD_MESSAGES = [
    ("{", 3, "Invalid JSON: expected value at line 1 column "),
    ('{"id":1}', 2, "Invalid request: missing field `method` at line 1 column 8"),
    ('{"method":"FLY","id":1}', 2, "Invalid request: unknown variant FLY, expected one of `SUB"),
    ('{"method":"SUBSCRIBE","params":["nonsense"],"id":1}', 2, "Invalid request: invalid stream"),
    ('{"method":"LIST_SUBSCRIPTIONS","id":-1.5}', 2, "Invalid request: request ID must be an"),
    ('{"method":"SET_PROPERTY","params":["speed",true],"id":1}', 0, "Unknown property"),
    ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, "Invalid value type: expected"),
    ('{"method":"GET_PROPERTY","params":[1],"id":1}', 2, "Invalid request: property name must be"),
    ('{"method":"GET_PROPERTY","params":["a","b"],"id":1}', 2, "Invalid request: too many param"),
]


@pytest.mark.parametrize(("message", "code", "text"), BAD_MESSAGES)
def test_a_bad_control_message_is_answered_with_a_nested_error(
    venue: Venue, message: str, code: int, text: str
) -> None:
    socket = venue.socket("/ws")
    socket.send(message)
    error = receive_reply(socket)["error"]
    assert error["code"] == code
    assert error["msg"].startswith(text)


def test_more_than_1024_streams_are_refused(venue: Venue) -> None:
    socket = venue.socket("/ws")
    names = [f"x{place}usdt@trade" for place in range(1025)]
    assert send_control(socket, "SUBSCRIBE", *names)["error"] == {
        "code": 4,
        "msg": "Too many subscriptions",
    }
    assert send_control(socket, "SUBSCRIBE", *names[:-1])["result"] is None


def test_a_closed_kline_comes_once_at_once_and_equals_its_rest_twin(venue: Venue) -> None:
    seen = receive_events(venue.socket("/ws/nexousdt@kline_1s"), 6)
    closed = [event for event in seen if event["k"]["x"]]
    opens = [event["k"]["t"] for event in closed]
    assert opens == list(range(opens[0], opens[-1] + 1, 1000))
    assert all(0 < event["E"] - event["k"]["T"] < 1_000 for event in closed)
    rows = venue.get(
        "/api/v3/klines",
        symbol="NEXOUSDT",
        interval="1s",
        startTime=opens[0],
        limit=len(opens),
    )
    for event, row in zip(closed, rows, strict=True):
        k = event["k"]
        twin = [k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"], k["q"], k["n"], k["V"]]
        assert row[:10] == twin


def test_every_interval_ends_once_for_every_socket_whenever_it_subscribed(venue: Venue) -> None:
    names = [f"{symbol}usdt@kline_1s" for symbol in ("btc", "eth", "nexo", "xrp")]
    sockets = []
    for _ in range(3):
        sockets.append(venue.socket("/ws"))
        before_ms = venue.clock.now_ms()
        send_control(sockets[-1], "SUBSCRIBE", *names)
        after_ms = venue.clock.now_ms()
        venue.pass_time(450)
    venue.shift_ms += 2_200  # a step that comes late ends several
    last = (venue.clock.now_ms() // 1000 + 1) * 1000
    for socket in sockets:
        ended: dict[str, list[int]] = {}
        while min((opens[-1] for opens in ended.values()), default=0) < last or len(ended) < 4:
            (kline,) = receive_closed_klines(socket, 1)
            ended.setdefault(kline["s"], []).append(kline["t"])
        for opens in ended.values():
            assert opens == list(range(opens[0], opens[-1] + 1, 1000))
    first_end_ms = min(opens[0] for opens in ended.values()) + 1000
    assert before_ms < first_end_ms <= after_ms + 1000


def test_open_klines_are_pushed_every_two_seconds(venue: Venue) -> None:
    first, second = receive_events(venue.socket("/ws/nexousdt@kline_1h"), 2)
    assert first["k"]["x"] is False
    assert 1_500 < second["E"] - first["E"] < 2_500
    assert second["k"]["t"] <= second["E"] <= second["k"]["T"]


def test_the_server_pings_and_cuts_who_does_not_answer(fresh_venue: Venue) -> None:
    mute, alive = fresh_venue.socket("/ws"), fresh_venue.socket("/ws")
    connections = fresh_venue.server.stream_hub.connections
    assert eventually(lambda: len(connections) == 2)
    for seconds in (20, 40, 60):
        fresh_venue.shift_ms = seconds * 1000
        ping = mute.recv_frame()  # unlike recv, it sends no pong
        if seconds < 60:
            assert ping.opcode == websocket.ABNF.OPCODE_PING
            assert alive.recv_data_frame(control_frame=True)[1].data == ping.data
            assert eventually(lambda: any(c.last_pong_ms >= c.last_ping_ms for c in connections))
    assert (ping.opcode, ping.data) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xf0Pong timeout")
    assert eventually(lambda: len(connections) == 1)


def test_more_than_five_messages_a_second_end_the_connection(venue: Venue) -> None:
    socket = venue.socket("/ws")
    for _ in range(6):
        socket.ping()
    opcodes = [socket.recv_data_frame(control_frame=True)[0] for _ in range(6)]
    assert opcodes == [websocket.ABNF.OPCODE_PONG] * 5 + [websocket.ABNF.OPCODE_CLOSE]


def test_a_client_that_does_not_read_is_cut_and_slows_nobody(venue: Venue) -> None:
    deaf, well = venue.socket("/ws/btcusdt@trade"), venue.socket("/ws/btcusdt@trade")
    assert deaf.sock
    deaf.sock.setsockopt(tcp.SOL_SOCKET, tcp.SO_RCVBUF, 4096)
    hub = venue.server.stream_hub
    (slow,) = [
        c
        for c in hub.connections
        if c.transport.get_extra_info("peername")[1] == deaf.sock.getsockname()[1]
    ]
    for _ in range(40):
        venue.run_in_loop(lambda: slow.send_frame(b"\x81\x7d" + b"x" * 1_000_000))
        if slow not in hub.connections:
            break
    assert slow not in hub.connections
    assert receive_events(well, 3)
