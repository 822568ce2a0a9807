"""A WebSocket that reads what the kernel holds instead of one message at a time."""

import select
import socket
import ssl
import time
from typing import Any

from websocket import WebSocket, WebSocketConnectionClosedException, WebSocketProtocolException

KERNEL_BYTES = 1 << 20  # what the kernel may hold for us, so that a burst waits there
BATCH_BYTES = 6 * 65_536  # when more is waiting, it waits for the next batch
READ_BYTES = 65_536  # above 128 KiB a read under TLS costs a memory mapping
TEXT, CLOSE, PING, PONG, CONTINUATION, FINAL = 0x1, 0x8, 0x9, 0xA, 0x0, 0x80
FINAL_TEXT = FINAL | TEXT


class BatchSocket(WebSocket):
    """websocket-client's socket with a reader for whole batches.

    Handshake, TLS, sending and closing stay the library's; only the way frames are cut out of
    the stream of bytes is ours, in one loop for all frames of a read.
    """

    def __init__(self, **options: Any) -> None:
        room = (socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        # Bad UTF-8 is noticed where the text is read.
        super().__init__(skip_utf8_validation=True, sockopt=[room], **options)
        self._rest = b""
        self._fragments: list[bytes] = []
        self._poll: select.poll | None = None
        self.more_waiting = False
        self.last_frame_s = 0.0  # time.monotonic(); a ping is a sign of life too

    def read_batch(self) -> list[bytes]:
        """The messages that are there, BATCH_BYTES or a little more; possibly none.

        Under TLS one read brings one record, often a single message, so what counts is whether
        more is there. Answers pings. Raises WebSocketConnectionClosedException at the
        connection's end.
        """
        messages: list[bytes] = []
        size = 0
        self.more_waiting = True
        while size < BATCH_BYTES and self.more_waiting:
            data = self._read()
            if data:
                messages += self._messages(self._rest + data if self._rest else data)
            size += len(data)
            self.more_waiting = bool(data) and self._readable()
        return messages

    def _readable(self) -> bool:
        """Whether a read would bring something at once."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.fileno(), select.POLLIN)
        return bool(self._poll.poll(0))

    def _read(self) -> bytes:
        """What one read brings; nothing where the socket stays quiet for its time-out."""
        if self.sock is None:
            raise WebSocketConnectionClosedException("not connected")
        try:
            data: bytes = self.sock.recv(READ_BYTES)
        except TimeoutError:
            return b""
        if not data:
            raise WebSocketConnectionClosedException("the exchange closed the connection")
        return data

    def _messages(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        add = messages.append
        at, size = 0, len(data)
        while at + 2 <= size:
            head, length = data[at], data[at + 1]
            # What a tick looks like comes first: text in one frame, 126 to 65,535 bytes.
            if length == 126 and at + 4 <= size:
                start = at + 4
                end = start + (data[at + 2] << 8 | data[at + 3])
            else:
                start, end = _bounds(data, at)
            if end > size:
                break
            if head == FINAL_TEXT:
                add(data[start:end])
            else:
                self._other_frame(head, data[start:end], messages)
            at = end
        if at:
            self.last_frame_s = time.monotonic()
        self._rest = data[at:]
        return messages

    def _other_frame(self, head: int, payload: bytes, messages: list[bytes]) -> None:
        kind = head & 0x0F
        if kind == PING:
            self.pong(payload)
        elif kind == CLOSE:
            code = int.from_bytes(payload[:2], "big")
            raise WebSocketConnectionClosedException(f"closed by the exchange, code {code}")
        elif kind in {TEXT, CONTINUATION}:
            self._fragments.append(payload)
            if head & FINAL:
                messages.append(b"".join(self._fragments))
                self._fragments.clear()
        elif kind != PONG:
            raise WebSocketProtocolException(f"unexpected frame type {kind}")


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    """Where the payload of the frame at `at` begins and ends; the end may lie beyond `data`."""
    length = data[at + 1]
    if length < 126:
        return at + 2, at + 2 + length
    if length > 127:
        raise WebSocketProtocolException("a server must not mask its frames")
    if at + 10 > len(data):  # nor is its length whole
        return at, len(data) + 1
    start = at + 10
    return start, start + int.from_bytes(data[at + 2 : start], "big")
