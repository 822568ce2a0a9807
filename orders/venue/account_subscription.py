"""One subscription to the account's events, and the connection that carries it."""

import time

import structlog
from websocket import ABNF, WebSocketTimeoutException

from foundation.times import now_ms
from market.stream.bounded_websocket import BoundedSocket
from market.stream.handshake import connect
from market.wire.bounds import BadFrame
from orders.venue import account_wire as wire
from orders.venue.exchange import Execution

CONNECT_S = 10.0
ANSWER_S = 10.0
POLL_S = 0.1
MAX_SILENCE_S = 45.0  # the exchange pings every 20 s: without any frame it is dead
MAX_AGE_S = 23 * 3600.0  # the exchange cuts after 24 h
DRAIN_S = 1.0  # what was under way as the next one was subscribed comes within that time
SHUTDOWN, TERMINATED = "serverShutdown", "eventStreamTerminated"
logger = structlog.get_logger(__name__)


class StreamLost(Exception):
    """The connection is of no use any more."""


class AccountSubscription:
    """Reads one connection's messages. `subscribed_ms` is 0 until the exchange has confirmed it,
    `frame_ms` that of the last frame, by our clock.
    """

    def __init__(self, socket: BoundedSocket) -> None:
        self._socket = socket
        self._opened_s = self._frame_s = time.monotonic()
        self._shutdown = False
        self.subscribed_ms = self.frame_ms = 0

    @classmethod
    def dial(cls, url: str, request: str) -> "AccountSubscription":
        """Connect, and send the request to subscribe."""
        socket = BoundedSocket()
        try:
            connect(socket, url, CONNECT_S)
            socket.settimeout(POLL_S)
            socket.send(request)
        except BaseException:
            socket.shutdown()
            raise
        return cls(socket)

    @property
    def is_retiring(self) -> bool:
        """True where the connection will end soon, and another has to be there before."""
        return self._shutdown or time.monotonic() - self._opened_s > MAX_AGE_S

    @property
    def is_steady(self) -> bool:
        """True where all has come by now that was under way as it was subscribed."""
        return bool(self.subscribed_ms) and now_ms() - self.subscribed_ms > DRAIN_S * 1000

    def receive(self) -> Execution | None:
        """Wait a moment for a message; None where it is no execution. Raises StreamLost."""
        try:
            kind, payload = self._socket.receive(POLL_S)  # pings are answered there
        except WebSocketTimeoutException:
            silent_s = time.monotonic() - self._frame_s
            if silent_s > (MAX_SILENCE_S if self.subscribed_ms else ANSWER_S):
                raise StreamLost(f"no frame for {silent_s:.0f} s") from None
            return None
        self._frame_s, self.frame_ms = time.monotonic(), now_ms()
        if kind == ABNF.OPCODE_CLOSE:
            raise StreamLost("closed by the exchange")
        return self.read(payload) if kind == ABNF.OPCODE_TEXT else None

    def read(self, text: bytes) -> Execution | None:
        """Read one message. Raises StreamLost where it ends the subscription."""
        try:
            message = wire.read_message(text)
            if event := bytes(message.event):
                return self._read_event(event)
        except BadFrame as error:  # what it said is found by reconciling
            logger.error("account_stream.bad_frame", error=str(error))
            return None
        if message.error is not None:
            raise StreamLost(f"not subscribed: {message.error.code} {message.error.msg}")
        if message.status == 200 and not self.subscribed_ms:
            self.subscribed_ms = now_ms()
        return None

    def _read_event(self, event: bytes) -> Execution | None:
        kind = wire.event_type(event)
        if kind == TERMINATED:
            raise StreamLost("the exchange ends the stream")
        if kind == SHUTDOWN:
            self._shutdown = True
            logger.info("account_stream.shutdown_announced")
        return wire.read_execution(event)

    def close(self) -> None:
        self._socket.shutdown()
