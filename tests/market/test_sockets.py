import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import WebSocketConnectionClosedException, WebSocketProtocolException

from market import sockets
from market.sockets import BatchSocket

Line = tuple[BatchSocket, socket.socket]


@pytest.fixture
def line() -> Iterator[Line]:
    """Our end of a connection, past its handshake, and the exchange's."""
    ours, theirs = socket.socketpair()
    reader = BatchSocket()
    reader.sock, reader.connected = ours, True
    ours.settimeout(0.05)
    with ours, theirs:
        yield reader, theirs


def frame(payload: bytes, head: int = 0x81) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([head, size]) + payload
    if size < 65_536:
        return bytes([head, 126]) + size.to_bytes(2, "big") + payload
    return bytes([head, 127]) + size.to_bytes(8, "big") + payload


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_survive_any_split_of_the_bytes(messages: list[bytes], data: st.DataObject) -> None:
    sent = b"".join(frame(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    reader, read = BatchSocket(), []
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        read += reader._messages(reader._rest + sent[start:end])
    assert read == messages


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_frames_of_any_size_are_read(size: int) -> None:
    reader = BatchSocket()
    message = b"x" * size
    assert reader._messages(frame(message) + frame(b"next")) == [message, b"next"]


def test_one_read_brings_all_that_is_there(line: Line) -> None:
    reader, exchange = line
    exchange.sendall(b"".join(frame(str(n).encode()) for n in range(100)))
    assert reader.read_batch() == [str(n).encode() for n in range(100)]
    assert reader.read_batch() == []


def test_more_than_a_batch_is_left_for_the_next(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "BATCH_BYTES", 300)
    monkeypatch.setattr(sockets, "READ_BYTES", 200)
    reader, exchange = line
    exchange.sendall(b"".join(frame(b"x" * 98) for _ in range(9)))
    assert len(reader.read_batch()) == 4
    assert reader.more_waiting
    assert len(reader.read_batch()) + len(reader.read_batch()) == 5
    assert not reader.more_waiting


def test_a_message_in_fragments_is_put_together() -> None:
    parts = frame(b"one ", 0x01) + frame(b"two ", 0x00) + frame(b"", 0x89) + frame(b"three", 0x80)
    reader = BatchSocket()
    reader.pong = lambda payload="": None  # type: ignore[method-assign]
    assert reader._messages(parts) == [b"one two three"]


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


def test_a_masked_frame_is_not_from_a_server() -> None:
    with pytest.raises(WebSocketProtocolException):
        BatchSocket()._messages(b"\x81\x85abcdhello")
