"""A WebSocket that reads what the kernel holds instead of one message at a time."""

from typing import Any

from websocket import WebSocket, WebSocketConnectionClosedException, WebSocketProtocolException

READS = 4  # a batch
READ_BYTES = 65_536  # above 128 KiB a read under TLS costs a memory mapping
TEXT, CLOSE, PING, PONG, CONTINUATION, FINAL = 0x1, 0x8, 0x9, 0xA, 0x0, 0x80
FINAL_TEXT = FINAL | TEXT


class BatchSocket(WebSocket):
    """websocket-client's socket with a reader for whole batches.

    Handshake, TLS, sending and closing stay the library's; only the way frames are cut out of
    the stream of bytes is ours, in one loop for all frames of a read.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(skip_utf8_validation=True, **options)  # the JSON decoder checks it
        self._rest = b""
        self._fragments: list[bytes] = []
        self.more_waiting = False
        self.frames_read = 0  # control frames included: a ping is a sign of life

    def read_batch(self) -> list[bytes]:
        """The messages that one read brings, possibly none.

        Answers pings. Raises WebSocketConnectionClosedException at the connection's end.
        """
        if self.sock is None:
            raise WebSocketConnectionClosedException("not connected")
        try:
            data = self.sock.recv(READ_BYTES)
        except TimeoutError:
            self.more_waiting = False
            return []
        if not data:
            raise WebSocketConnectionClosedException("the exchange closed the connection")
        self.more_waiting = len(data) == READ_BYTES
        return self._messages(self._rest + data if self._rest else data)

    def _messages(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        at, size = 0, len(data)
        while at + 2 <= size:
            head, length = data[at], data[at + 1]
            start = at + 2
            if length == 126:
                start = at + 4
                length = int.from_bytes(data[at + 2 : start], "big")
            elif length == 127:
                start = at + 10
                length = int.from_bytes(data[at + 2 : start], "big")
            elif length > 127:
                raise WebSocketProtocolException("a server must not mask its frames")
            if start + length > size or start > size:
                break
            at = start + length
            if head == FINAL_TEXT:
                messages.append(data[start:at])
            else:
                self._other_frame(head, data[start:at], messages)
            self.frames_read += 1
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
