import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import WebSocketConnectionClosedException, WebSocketProtocolException

from market.stream import websocket as websocket_module
from market.stream.websocket import BatchSocket, Dial
from tests.market.venue import Venue, frame
from tests.servers import HANG_S, eventually

Line = tuple[BatchSocket, socket.socket]


@pytest.fixture
def line() -> Iterator[Line]:
    """Our end of a connection, past its handshake, and the exchange's."""
    ours, theirs = socket.socketpair()
    reader = BatchSocket()
    reader.sock, reader.connected = ours, True
    ours.settimeout(0)
    with ours, theirs:
        yield reader, theirs


def cut(reader: BatchSocket, data: bytes) -> list[bytes]:
    """The messages in what was left over and `data`."""
    messages: list[bytes] = []
    reader._cut(reader._rest + data, messages)
    return messages


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_survive_any_split_of_the_bytes(messages: list[bytes], data: st.DataObject) -> None:
    sent = b"".join(frame(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    reader, read = BatchSocket(), []
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        read += cut(reader, sent[start:end])
    assert read == messages


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_frames_of_any_size_are_read(size: int) -> None:
    reader = BatchSocket()
    message = b"x" * size
    assert cut(reader, frame(message) + frame(b"next")) == [message, b"next"]


def test_one_read_brings_all_that_is_there(line: Line) -> None:
    reader, exchange = line
    exchange.sendall(b"".join(frame(str(n).encode()) for n in range(100)))
    assert reader.read_batch() == [str(n).encode() for n in range(100)]
    assert reader.read_batch() == []


def test_more_than_a_batch_is_left_for_the_next(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_module, "READ_BYTES", 200)
    reader, exchange = line
    exchange.sendall(b"".join(frame(b"x" * 98) for _ in range(9)))
    assert len(reader.read_batch(300)) == 4
    assert reader.more_waiting
    assert len(reader.read_batch(300)) + len(reader.read_batch(300)) == 5
    assert not reader.more_waiting


def test_a_message_in_fragments_is_put_together() -> None:
    parts = frame(b"one ", 0x01) + frame(b"two ", 0x00) + frame(b"", 0x89) + frame(b"three", 0x80)
    reader = BatchSocket()
    reader.pong = lambda payload="": None  # type: ignore[method-assign]
    assert cut(reader, parts) == [b"one two three"]


def test_a_ping_is_answered_with_its_own_payload(line: Line) -> None:
    reader, exchange = line
    exchange.sendall(frame(b"1795336456828", 0x89) + frame(b"tick"))
    assert reader.read_batch() == [b"tick"]
    assert reader.last_frame_s > 0
    answer = exchange.recv(100)
    mask, masked = answer[2:6], answer[6:]
    assert answer[0] == 0x8A
    assert bytes(b ^ mask[i % 4] for i, b in enumerate(masked)) == b"1795336456828"


def test_the_end_of_the_connection_is_told(line: Line) -> None:
    reader, exchange = line
    exchange.sendall(frame((1008).to_bytes(2, "big") + b"Pong timeout", 0x88))
    with pytest.raises(WebSocketConnectionClosedException, match="1008"):
        reader.read_batch()
    exchange.close()
    with pytest.raises(WebSocketConnectionClosedException):
        reader.read_batch()


def test_what_came_before_the_end_is_handed_over_first(line: Line) -> None:
    reader, exchange = line
    exchange.sendall(frame(b"last") + frame(b"half of it")[:5])
    exchange.close()
    assert reader.read_batch() == [b"last"]
    assert reader.more_waiting
    with pytest.raises(WebSocketConnectionClosedException):
        reader.read_batch()


def test_a_masked_frame_is_not_from_a_server() -> None:
    with pytest.raises(WebSocketProtocolException):
        cut(BatchSocket(), b"\x81\x85abcdhello")


def test_dialling_keeps_nobody_waiting(venue: Venue) -> None:
    dial = Dial(venue.url, timeout_s=HANG_S)
    assert eventually(lambda: venue.peers)
    assert eventually(lambda: dial._socket is not None)
    socket = dial.pop_socket()
    assert socket is not None
    assert socket.read_batch() == []
    socket.shutdown()


def test_a_dial_given_up_closes_what_it_opens(venue: Venue) -> None:
    Dial(venue.url, timeout_s=2).cancel()
    assert eventually(lambda: venue.peers and not venue.peers[0].open)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"220 smtp.example.com ESMTP\r\n\r\n", ""),
        (b"", "closed|lost"),
    ],
)
def test_an_answer_that_is_no_websocket_is_one_line(answer: bytes, error: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dial = Dial(f"ws://127.0.0.1:{listener.getsockname()[1]}", timeout_s=HANG_S)
        line, _ = listener.accept()
        with line:
            line.recv(65_536)
            line.sendall(answer)
    assert eventually(lambda: dial.error is not None)
    assert dial.error is not None
    assert re.search(error, dial.error)
    assert "\n" not in dial.error
    assert dial.pop_socket() is None
