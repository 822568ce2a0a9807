"""websocket-client's socket with bounds to what the other end may make us hold, and wait for."""

import time
from typing import Any

from websocket import ABNF, WebSocket, WebSocketProtocolException, WebSocketTimeoutException
from websocket._abnf import continuous_frame, frame_buffer

from market.wire.bounds import MAX_FRAME_BYTES


class _Frames(frame_buffer):
    def recv_length(self) -> None:
        super().recv_length()
        if self.length is not None and self.length > MAX_FRAME_BYTES:
            raise WebSocketProtocolException(f"a frame of {self.length} bytes")


class _Fragments(continuous_frame):
    def add(self, frame: ABNF) -> None:
        super().add(frame)
        if self.cont_data is not None and len(self.cont_data[1]) > MAX_FRAME_BYTES:
            raise WebSocketProtocolException("a message in too many fragments")


class BoundedSocket(WebSocket):
    """Reads messages of at most MAX_FRAME_BYTES; a longer one ends the connection."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._until_s = float("inf")
        self.frame_buffer = _Frames(self._recv, self.frame_buffer.skip_utf8_validation)
        self.cont_frame = _Fragments(False, self.frame_buffer.skip_utf8_validation)

    def receive(self, within_s: float) -> tuple[int, bytes]:
        """Opcode and payload of the next message, ping, pong or close; pings are answered.

        Raises WebSocketTimeoutException where none is whole by then: what has come of one, or of a
        message in fragments, is kept for the next call.
        """
        self._until_s = time.monotonic() + within_s
        opcode, payload = self.recv_data(control_frame=True)
        return opcode, payload

    def _recv(self, bufsize: int) -> bytes:
        if time.monotonic() > self._until_s:
            raise WebSocketTimeoutException("no message is whole in time")
        data: bytes = super()._recv(bufsize)  # type: ignore[no-untyped-call]  # the library's
        return data
