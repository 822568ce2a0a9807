"""WebSocket that reads what the kernel holds instead of one message at a time."""

import socket
import ssl
import struct
import threading
import time
from typing import Any

from websocket import (
    WebSocket,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketProtocolException,
)

from market.stream.handshake import connect
from market.wire.bounds import MAX_FRAME_BYTES

KERNEL_BYTES = 1 << 20  # what the kernel may hold for us, so that a burst waits there
BATCH_BYTES = 16 * 65_536  # in a rush, many ticks a symbol at once are cheaper
MAX_ERROR_LENGTH = 200
READ_BYTES = 65_536  # above 128 KiB a read under TLS costs a memory mapping
TEXT, CLOSE, PING, PONG, CONTINUATION, FINAL = 0x1, 0x8, 0x9, 0xA, 0x0, 0x80
# How a tick's frame begins: text, final, with a length of its own of 126 to 65,535 bytes.
TICK_HEAD = (FINAL | TEXT) << 8 | 126
_head_and_length = struct.Struct(">HH").unpack_from


class BatchSocket(WebSocket):
    """websocket-client's socket with a reader for whole batches, which never waits.

    Handshake, TLS, sending and closing stay the library's; only the way frames are cut out of
    the stream of bytes is ours, in one loop for all frames of a read.
    """

    def __init__(self, **options: Any) -> None:
        room = (socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        # Bad UTF-8 is noticed where the text is read.
        super().__init__(skip_utf8_validation=True, sockopt=[room], **options)
        self._rest = b""
        self._fragments = bytearray()
        self._lost: OSError | WebSocketException | None = None
        self.more_waiting = False
        self.last_frame_s = 0.0  # time.monotonic(); a ping is a sign of life too

    def dial(self, url: str, timeout_s: float) -> None:
        """Connect; from then on reading and sending never wait.

        Raises OSError or WebSocketException.
        """
        connect(self, url, timeout_s)
        self.settimeout(0)
        self.last_frame_s = time.monotonic()

    def read_batch(self, max_bytes: int = BATCH_BYTES) -> list[bytes]:
        """The messages that are there, `max_bytes` or a little more; possibly none.

        Answers pings. At the connection's end it raises OSError or WebSocketException, once
        all that came before has been handed over.
        """
        messages: list[bytes] = []
        if self._lost is None:
            try:
                self._cut(self._read(max_bytes), messages)
            except (OSError, WebSocketException) as error:
                self._lost = error
        if self._lost is not None:
            self.more_waiting = True  # the news of its end
            if not messages:
                raise self._lost
        return messages

    def _read(self, max_bytes: int) -> bytes:
        """The bytes left over, and those that can be read without waiting.

        Under TLS a read brings one record, often a single message, so the reads are gathered.
        """
        if self.sock is None:
            raise WebSocketConnectionClosedException("not connected")
        read, parts, size = self.sock.recv, [self._rest], 0
        self.more_waiting = True
        try:
            while size < max_bytes:
                data: bytes = read(READ_BYTES)
                if not data:
                    raise WebSocketConnectionClosedException("the exchange closed the connection")
                parts.append(data)
                size += len(data)
        except (BlockingIOError, ssl.SSLWantReadError):
            self.more_waiting = False
        except (OSError, WebSocketException) as error:
            self._lost = error
        return b"".join(parts)

    def _cut(self, data: bytes, messages: list[bytes]) -> None:
        """Add the payloads of the whole frames in `data`; what is left waits for more."""
        add, head_and_length = messages.append, _head_and_length
        at, size = 0, len(data)
        while at + 2 <= size:
            if at + 4 <= size:
                head, length = head_and_length(data, at)
            else:
                head = length = 0  # an empty frame, or one whose head is not whole
            if head == TICK_HEAD:
                start = at + 4
                end = start + length
                if end > size:
                    break
                add(data[start:end])
            else:
                start, end = _bounds(data, at)
                if end > size:
                    break
                self._other_frame(data[at], data[start:end], messages)
            at = end
        if at:
            self.last_frame_s = time.monotonic()
        self._rest = data[at:]

    def _other_frame(self, head: int, payload: bytes, messages: list[bytes]) -> None:
        kind = head & 0x0F
        if kind == PING:
            self.pong(payload)
        elif kind == CLOSE:
            code = int.from_bytes(payload[:2], "big")
            raise WebSocketConnectionClosedException(f"closed by the exchange, code {code}")
        elif kind in {TEXT, CONTINUATION}:
            self._fragments += payload
            if len(self._fragments) > MAX_FRAME_BYTES:
                raise WebSocketProtocolException("a message in too many fragments")
            if head & FINAL:
                messages.append(bytes(self._fragments))
                self._fragments.clear()
        elif kind != PONG:
            raise WebSocketProtocolException(f"unexpected frame type {kind}")


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    """Beginning and end of the payload of the frame at `at`; the end may lie beyond `data`."""
    length = data[at + 1]
    if length < 126:
        return at + 2, at + 2 + length
    if length > 127:
        raise WebSocketProtocolException("a server must not mask its frames")
    start = at + (4 if length == 126 else 10)
    if start > len(data):  # nor is its length whole
        return at, len(data) + 1
    size = int.from_bytes(data[at + 2 : start], "big")
    if size > MAX_FRAME_BYTES:
        raise WebSocketProtocolException(f"a frame of {size} bytes")
    return start, start + size


class Dial:
    """A connection being opened in a thread of its own, so that the others go on being read."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.error: str | None = None
        self._url, self._timeout_s = url, timeout_s
        self._socket: BatchSocket | None = None
        self._wanted = True
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="dial", daemon=True).start()

    def _run(self) -> None:
        socket = BatchSocket()
        try:
            socket.dial(self._url, self._timeout_s)
        except (OSError, WebSocketException) as error:
            self.error = str(error)[:MAX_ERROR_LENGTH].replace("\n", " ")
            return
        with self._lock:
            if self._wanted:
                self._socket = socket
                return
        socket.shutdown()

    def pop_socket(self) -> BatchSocket | None:
        """The socket, once it is connected; from then on the caller's to close."""
        with self._lock:
            socket, self._socket = self._socket, None
            return socket

    def cancel(self) -> None:
        """Close what is open already or opens later."""
        with self._lock:
            self._wanted = False
        if (socket := self.pop_socket()) is not None:
            socket.shutdown()
