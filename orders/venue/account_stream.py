"""Client of the account's own event stream (user data): executions of its orders.

It brings what an answer that was lost would have said. Answers are still the short way: an
event is booked a moment after it came, by when the answer as a rule has been.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import orjson
import structlog
import websocket
from django.db import close_old_connections
from redis.exceptions import RedisError
from websocket import ABNF, WebSocketException, WebSocketTimeoutException

from foundation.backoff import Backoff
from foundation.outages import DATABASE_OUTAGES
from foundation.redis import connection
from foundation.times import now_ms
from market.bounds import BadFrame
from orders.venue import account_wire as wire
from orders.venue.exchange import Execution
from orders.venue.signing import signed_request

STATE_KEY = "orders:account_stream"  # string, JSON: see `AccountStream.state`
CONNECT_S = 10.0
ANSWER_S = 10.0
POLL_S = 0.1
BOOK_AFTER_S = 0.5
MAX_SILENCE_S = 45.0  # the exchange pings every 20 s: without any frame it is dead
MAX_AGE_S = 23 * 3600.0  # the exchange cuts after 24 h
STEADY_S = 60.0  # a connection that held so long was no failure
BACKOFF = Backoff(first_s=0.5, max_s=60.0, jitter=True)
STORE_STATE_EVERY_S = 1.0
STATE_TTL_S = 15
MAX_WAITING = 10_000  # while the database is away; what is dropped is found by reconciling
MAX_STOP_S = 1.0
RECV_WINDOW_MS = 5000
ENDING = {"eventStreamTerminated", "serverShutdown"}
logger = structlog.get_logger(__name__)


class StreamLost(Exception):
    """The connection is of no use any more."""


class AccountStream:
    """Listens in a thread of its own, and reconnects for ever, until `stop`.

    `exchange_now_ms` is the exchange's clock. Nothing is replayed after an interruption, so
    `on_subscribed` is called with the address at every new subscription, for somebody to
    reconcile. Executions go to `apply`, several at a time; it may raise that the database is away.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        exchange_now_ms: Callable[[], int],
        *,
        apply: Callable[[Sequence[Execution]], None],
        on_subscribed: Callable[[Sequence[str]], None],
    ) -> None:
        self._url, self._key, self._secret = url, key, secret
        self._exchange_now_ms = exchange_now_ms
        self._apply, self._on_subscribed = apply, on_subscribed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="account-stream", daemon=True)
        self._waiting: deque[Execution] = deque(maxlen=MAX_WAITING)
        self._book_at_s = 0.0
        self._frame_ms = self._subscribed_ms = 0
        self._store_at_s = 0.0
        self._error = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; what was heard and is not booked yet is found by reconciling."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(MAX_STOP_S)

    @property
    def state(self) -> dict[str, int | bool | str]:
        """Times in ms since the epoch by our clock, 0 where there was none."""
        return {
            "subscribed": bool(self._subscribed_ms),
            "last_frame_ms": self._frame_ms,
            "beat_ms": now_ms(),
            "error": self._error,
        }

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                self._listen()
            # ValueError and IndexError are what the library makes of an answer that is no HTTP.
            # Without the database the subscription can't be announced: the next one will be.
            except (
                OSError, WebSocketException, ValueError, IndexError, StreamLost, *DATABASE_OUTAGES
            ) as error:  # fmt: skip
                self._error = str(error)[:200] or type(error).__name__
                logger.warning("account_stream.lost", error=self._error)
            failures = 0 if time.monotonic() - began_s > STEADY_S else failures + 1
            self._subscribed_ms = 0
            close_old_connections()
            self._pause(BACKOFF.pause_s(failures))

    def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while time.monotonic() < until_s and not self._stopping.wait(POLL_S):
            self._store_state()
            self._book()

    # --- One connection ----------------------------------------------------------------------

    def _listen(self) -> None:
        """Until it is lost, has lived its time, or `stop`."""
        socket = websocket.WebSocket()
        try:
            socket.connect(self._url, timeout=CONNECT_S, redirect_limit=0, http_no_proxy=["*"])
            socket.settimeout(POLL_S)
            opened_s = frame_s = time.monotonic()
            socket.send(self._subscription())
            while not self._stopping.is_set():
                now_s = time.monotonic()
                if self._receive(socket):
                    frame_s = now_s
                elif now_s - frame_s > (MAX_SILENCE_S if self._subscribed_ms else ANSWER_S):
                    raise StreamLost(f"no frame for {now_s - frame_s:.0f} s")
                if now_s - opened_s > MAX_AGE_S:
                    return
                self._book()
                self._store_state()
        finally:
            socket.shutdown()

    def _subscription(self) -> str:
        """Source: Binance Spot WebSocket API, "Subscribe to User Data Stream through
        signature subscription"."""
        stamp: dict[str, str | int] = {
            "apiKey": self._key,
            "recvWindow": RECV_WINDOW_MS,
            "timestamp": self._exchange_now_ms(),
        }
        return json.dumps(
            {
                "id": 1,
                "method": "userDataStream.subscribe.signature",
                "params": signed_request(self._secret, stamp),
            }
        )

    def _receive(self, socket: websocket.WebSocket) -> bool:
        """Read one frame; a ping, which the library answers, counts as one."""
        try:
            kind, payload = socket.recv_data(control_frame=True)
        except WebSocketTimeoutException:
            return False
        self._frame_ms = now_ms()
        if kind == ABNF.OPCODE_CLOSE:
            raise StreamLost("closed by the exchange")
        if kind == ABNF.OPCODE_TEXT:
            self.handle_message(payload)
        return True

    def handle_message(self, text: bytes) -> None:
        """Handle one message. Raises StreamLost where it ends the subscription."""
        try:
            message = wire.read_message(text)
            if event := bytes(message.event):
                self._handle_event(event)
        except BadFrame as error:  # what it said is found by reconciling
            logger.error("account_stream.bad_frame", error=str(error))
            return
        if message.error is not None:
            raise StreamLost(f"not subscribed: {message.error.code} {message.error.msg}")
        if message.status == 200 and not self._subscribed_ms:
            self._subscribed_ms, self._error = now_ms(), ""
            logger.info("account_stream.subscribed")
            self._on_subscribed([self._url])

    def _handle_event(self, event: bytes) -> None:
        if wire.event_type(event) in ENDING:
            raise StreamLost("the exchange ends the stream")
        execution = wire.read_execution(event)
        if execution is not None:
            if not self._waiting:
                self._book_at_s = time.monotonic() + BOOK_AFTER_S
            self._waiting.append(execution)

    # --- What follows ------------------------------------------------------------------------

    def _book(self) -> None:
        """Book what has waited long enough; while the database is away, go on waiting."""
        if not self._waiting or time.monotonic() < self._book_at_s:
            return
        executions = list(self._waiting)
        try:
            self._apply(executions)
        except DATABASE_OUTAGES as error:
            logger.warning("database.unreachable", error=str(error).strip())
            close_old_connections()
            self._book_at_s = time.monotonic() + BOOK_AFTER_S
            return
        except Exception:
            # One that cannot be booked must not end the thread; reconciling meets it again.
            logger.exception("account_stream.apply_failed")
        self._waiting.clear()

    def _store_state(self) -> None:
        """Store the state where /health reads it."""
        if time.monotonic() < self._store_at_s:
            return
        self._store_at_s = time.monotonic() + STORE_STATE_EVERY_S
        try:
            connection().set(STATE_KEY, orjson.dumps(self.state), ex=STATE_TTL_S)
        except RedisError as error:
            logger.warning("redis.unreachable", error=str(error))
