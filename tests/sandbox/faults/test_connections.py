"""Stream connections that go wrong on demand. Source: protocol B."""

import pytest
import websocket

from sandbox.config import SandboxConfig
from tests.sandbox.venue import Venue, receive_events, running


def test_a_disconnect_ends_every_stream_without_a_close_frame(venue: Venue) -> None:
    sockets = [venue.socket("/ws/btcusdt@trade") for _ in range(3)]
    for socket in sockets:
        receive_events(socket, 1)
    assert venue.inject_fault("disconnect")["sockets"] >= 3
    for socket in sockets:
        with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
            receive_events(socket, 1_000)
    assert receive_events(venue.socket("/ws/btcusdt@trade"), 1)


def test_a_stall_keeps_the_socket_open_and_loses_what_happens_meanwhile(venue: Venue) -> None:
    stalled = venue.socket("/ws/btcusdt@aggTrade")
    last = receive_events(stalled, 1)[0]["a"]
    assert venue.inject_fault("stall", seconds=2.0)["sockets"] >= 1
    started_ms = venue.clock.now_ms()
    assert receive_events(venue.socket("/ws/btcusdt@aggTrade"), 1)  # a new one is served
    while (agg_id := receive_events(stalled, 1)[0]["a"]) == last + 1:
        last = agg_id
    assert agg_id > last + 1
    assert venue.clock.now_ms() - started_ms > 1_900


def test_half_a_frame_is_the_last_that_comes(venue: Venue) -> None:
    socket = venue.socket("/ws/btcusdt@aggTrade")
    receive_events(socket, 1)
    assert socket.sock
    assert venue.inject_fault("half_frame")["sockets"] >= 1
    received = b""
    with venue.moving():
        while data := socket.sock.recv(65_536):
            received += data
    frames = received.split(b'{"e":"aggTrade"')
    assert 20 < len(frames[-1]) < 100
    assert not frames[-1].endswith(b"}")
    assert receive_events(venue.socket("/ws/btcusdt@aggTrade"), 3)


def test_a_shutdown_is_announced_to_those_connected_and_ends_them_later(venue: Venue) -> None:
    raw, combined = venue.socket("/ws"), venue.socket("/stream")
    venue.wait_for_connections(2)
    venue.inject_fault("server_shutdown", seconds=0.5)
    event = receive_events(raw, 1)[0]
    assert set(event) == {"e", "E"}
    assert event["e"] == "serverShutdown"
    assert receive_events(combined, 1) == [{"stream": "!serverShutdown", "data": event}]
    later = venue.socket("/ws/btcusdt@aggTrade")
    for socket in (raw, combined):
        assert socket.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xe9")
    assert venue.clock.now_ms() - event["E"] >= 500
    assert receive_events(later, 20)


def test_new_connections_can_be_refused_for_a_while(venue: Venue) -> None:
    open_before = venue.socket("/ws/btcusdt@aggTrade")
    venue.inject_fault("refuse", seconds=30)
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        venue.socket("/ws/btcusdt@aggTrade")
    assert receive_events(open_before, 3)
    venue.shift_ms += 30_000
    assert receive_events(venue.socket("/ws/btcusdt@aggTrade"), 1)


def test_a_connection_ends_when_its_lifetime_is_over() -> None:
    with running(SandboxConfig([], lifetime_ms=400)) as venue:
        socket, opened_ms = venue.socket("/ws"), venue.clock.now_ms()
        assert socket.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xe9")
        assert 400 <= venue.clock.now_ms() - opened_ms < 500
        assert venue.socket("/ws")
