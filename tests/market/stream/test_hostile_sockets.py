"""Handshakes and messages that are too long, too slow or nonsense: the connection ends, and another
is made, while whoever reads goes on.
"""

import time
import tracemalloc
from collections.abc import Iterator

import pytest
from websocket import WebSocketException, WebSocketTimeoutException

from market.stream.bounded_websocket import BoundedSocket
from market.stream.client import MarketStream
from market.stream.connection import Timing
from market.stream.handshake import connect
from market.stream.websocket import BatchSocket, Dial
from market.wire.bounds import MAX_FRAME_BYTES
from orders.venue import account_subscription
from orders.venue.account_stream import AccountStream
from orders.venue.account_subscription import AccountSubscription, StreamLost
from tests.market.hostile_server import Answer, HostileServer, dripped, hostile_server
from tests.market.venue import Peer, Venue, frame
from tests.servers import HANG_S, eventually

pytestmark = pytest.mark.thorough  # real sockets and threads

TEXT, CONTINUATION = 0x01, 0x00  # neither is the last of its message
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"


def without_end(head: bytes, part: bytes) -> Iterator[bytes]:
    yield head
    while True:
        time.sleep(0.001)
        yield part


HANDSHAKES: dict[str, Answer] = {
    "byte by byte": lambda: dripped(SWITCHING + b"a: bbb"),
    "headers without end": lambda: without_end(SWITCHING, b"a: b\r\n"),
    "a line without end": lambda: without_end(SWITCHING, b"a" * 100),
    "a refusal without end": lambda: without_end(
        b"HTTP/1.1 503 Busy\r\nContent-Length: 99999999999999999999\r\n\r\n", b"x" * 100
    ),
    "silence": lambda: without_end(b"", b""),
    "a cookie that is none": lambda: [SWITCHING + b"Set-Cookie: a/b=c; domain=x\r\n\r\n"],
    "no HTTP": lambda: [b"220 smtp.example.com ESMTP\r\n\r\n"],
}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as started:
        yield started


@pytest.fixture(params=HANDSHAKES)
def url(request: pytest.FixtureRequest, server: HostileServer) -> str:
    """An address where nobody finishes a handshake."""
    server.answers["/ws"] = HANDSHAKES[request.param]
    return f"ws://127.0.0.1:{server.port}/ws"


def test_a_handshake_that_comes_to_no_end_is_one_error(url: str) -> None:
    began_s = time.monotonic()
    with pytest.raises((OSError, WebSocketException)):
        connect(BoundedSocket(), url, timeout_s=0.2)
    assert time.monotonic() - began_s < HANG_S
    dial = Dial(url, timeout_s=0.2)
    assert eventually(lambda: dial.error is not None)
    assert dial.pop_socket() is None


@pytest.mark.parametrize("url", ["byte by byte", "a cookie that is none"], indirect=True)
def test_the_account_stream_dials_again(
    url: str, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_subscription, "CONNECT_S", 0.2)
    stream = AccountStream(
        url, "key", "secret", lambda: 1, apply=lambda _: None, on_subscribed=lambda _: None
    )
    stream.start()
    assert eventually(lambda: server.connections > 1)
    assert stream.state["error"]
    stream.stop()


def test_the_market_stream_dials_again(server: HostileServer) -> None:
    server.answers["/stream"] = HANDSHAKES["byte by byte"]
    timing = Timing(connect_s=0.2)
    stream = MarketStream(f"ws://127.0.0.1:{server.port}", ["1m"], timing, 1000)
    stream.follow(["BTCUSDT"])
    for _ in stream.batches():
        if server.connections > 1:
            stream.stop()


# --- Messages --------------------------------------------------------------------------------


MESSAGES = {
    "a frame too long": (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), b"x" * 100_000),
    "fragments without end": (
        frame(b"{", TEXT),
        frame(b"x" * 60_000, CONTINUATION),
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_too_long_ends_its_connection_and_no_other(venue: Venue, name: str) -> None:
    stream = MarketStream(
        venue.url, ["1m"], Timing(connect_s=HANG_S), max_streams=2
    )  # of a symbol each
    stream.follow(["BTCUSDT", "ETHUSDT"])
    first, more = MESSAGES[name]
    came: set[str] = set()
    hostile: Peer | None = None
    began_s = time.monotonic()
    for batch in stream.batches():
        assert time.monotonic() - began_s < HANG_S
        came |= {tick.symbol for tick in batch.ticks}
        if hostile is None and len(came) == 2:
            hostile = venue.peers[0]
            hostile.send(first + more * (2 * MAX_FRAME_BYTES // len(more)))
        if hostile is not None and (hostile.open or len(venue.peers) == 2):
            came.clear()  # what was under way before its symbol was dialled for anew
        elif hostile is not None and len(came) == 2:
            stream.stop()
    assert len(venue.peers) == 2 + 1  # the second connection has carried its symbol all along


def cut(reader: BatchSocket, data: bytes) -> list[bytes]:
    messages: list[bytes] = []
    reader._cut(reader._rest + data, messages)
    return messages


def test_a_message_in_ever_so_many_fragments_costs_no_more_than_a_short_one() -> None:
    reader, count = BatchSocket(), 300_000
    parts = frame(b"x", TEXT) + frame(b"x", CONTINUATION) * count
    began_s = time.process_time()
    assert cut(reader, parts) == []
    assert cut(reader, frame(b"x", 0x80)) == [b"x" * (count + 2)]
    assert time.process_time() - began_s < 10  # seconds; hours, where each looks at all others


def test_empty_fragments_take_no_memory() -> None:
    reader, parts = BatchSocket(), frame(b"", CONTINUATION) * 20_000
    cut(reader, frame(b"", TEXT))
    tracemalloc.start()
    for _ in range(3):
        cut(reader, parts)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 50_000


@pytest.fixture
def subscription(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountSubscription]:
    monkeypatch.setattr(account_subscription, "ANSWER_S", 0.5)
    opened = AccountSubscription.dial(venue.url, '{"id": 1, "method": "x", "params": {}}')
    yield opened
    opened.close()


def only_peer(venue: Venue) -> Peer:
    assert eventually(lambda: venue.peers)
    [peer] = venue.peers
    return peer


def lost(subscription: AccountSubscription) -> bool:
    """Receive once; it comes back in time, whatever the other end does."""
    began_s = time.monotonic()
    try:
        subscription.receive()
    except (StreamLost, WebSocketException, OSError):
        return True
    finally:
        assert time.monotonic() - began_s < 10
    return False


def send_until_lost(
    venue: Venue, subscription: AccountSubscription, first: bytes, more: bytes
) -> None:
    peer = only_peer(venue)
    peer.send(first)
    until_s = time.monotonic() + HANG_S
    while not lost(subscription):
        assert time.monotonic() < until_s
        peer.send(more)


DRIPPED = {
    "a frame byte by byte": (b"\x81\x7e\xff\xff", b"x"),
    "fragments that are empty": (frame(b"", TEXT), frame(b"", CONTINUATION)),
    "fragments of a byte": (frame(b"{", TEXT), frame(b"x", CONTINUATION)),
}


@pytest.mark.parametrize("name", DRIPPED)
def test_an_account_message_that_is_never_whole_keeps_nobody_waiting(
    venue: Venue, subscription: AccountSubscription, name: str
) -> None:
    first, more = DRIPPED[name]
    send_until_lost(venue, subscription, first, more * 5)


@pytest.mark.parametrize("name", MESSAGES)
def test_an_account_message_too_long_ends_its_connection(
    venue: Venue, subscription: AccountSubscription, name: str
) -> None:
    send_until_lost(venue, subscription, *MESSAGES[name])


def test_what_has_come_of_a_message_is_kept(venue: Venue) -> None:
    socket = BoundedSocket()
    connect(socket, venue.url, HANG_S)
    socket.settimeout(0.01)
    peer = only_peer(venue)
    whole = frame(b"one ", TEXT) + frame(b"message", 0x80)
    for byte in whole[:-1]:
        peer.send(bytes([byte]))
        with pytest.raises(WebSocketTimeoutException):
            socket.receive(0.01)
    peer.send(whole[-1:])
    socket.settimeout(HANG_S)
    assert socket.receive(HANG_S) == (0x01, b"one message")
