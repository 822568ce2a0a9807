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
from django.db import close_old_connections
from redis.exceptions import RedisError
from websocket import WebSocketException

from foundation.backoff import Backoff
from foundation.outages import DATABASE_OUTAGES
from foundation.redis import connection
from foundation.times import now_ms
from orders.venue.account_subscription import POLL_S, AccountSubscription, StreamLost
from orders.venue.exchange import Execution
from orders.venue.signing import signed_request

STATE_KEY = "orders:account_stream"  # string, JSON: see `AccountStream.state`
BOOK_AFTER_S = 0.5
STEADY_S = 60.0  # a connection that held so long was no failure
BACKOFF = Backoff(first_s=0.5, max_s=60.0, jitter=True)
STORE_STATE_EVERY_S = 1.0
STATE_TTL_S = 15
MAX_WAITING = 10_000  # while the database is away; what is dropped is found by reconciling
MAX_STOP_S = 1.0
RECV_WINDOW_MS = 5000
LOST = (OSError, WebSocketException, StreamLost)
logger = structlog.get_logger(__name__)


class AccountStream:
    """Listens in a thread of its own, and reconnects for ever, until `stop`.

    A connection that will end soon is replaced before it does: both deliver meanwhile, and what
    comes twice is booked once. `exchange_now_ms` is the exchange's clock. Nothing is replayed
    after an interruption, so `on_subscribed` is called with the address at every new subscription
    that no other overlapped, for somebody to reconcile. Executions go to `apply`, several at a
    time; it may raise that the database is away.
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
        self._subscriptions: list[AccountSubscription] = []  # the newest last
        self._frame_ms = 0
        self._subscribed = False
        self._dial_at_s = 0.0
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
            "subscribed": self._subscribed,
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
            # Without the database the subscription can't be announced: the next one will be.
            except (*LOST, *DATABASE_OUTAGES) as error:
                self._error = str(error)[:200] or type(error).__name__
                logger.warning("account_stream.lost", error=self._error)
            failures = 0 if time.monotonic() - began_s > STEADY_S else failures + 1
            self._subscribed = False
            close_old_connections()
            self._pause(BACKOFF.pause_s(failures))

    def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while time.monotonic() < until_s and not self._stopping.wait(POLL_S):
            self._store_state()
            self._book()

    # --- Connections -------------------------------------------------------------------------

    def _listen(self) -> None:
        """Until the last connection is lost, or `stop`."""
        self._subscriptions = [self._dial()]
        try:
            while not self._stopping.is_set():
                for subscription in list(self._subscriptions):
                    self._receive(subscription)
                self._replace_retiring()
                self._book()
                self._store_state()
        finally:
            for subscription in self._subscriptions:
                subscription.close()

    def _dial(self) -> AccountSubscription:
        """Source: Binance Spot WebSocket API, "Subscribe to User Data Stream through
        signature subscription"."""
        stamp: dict[str, str | int] = {
            "apiKey": self._key,
            "recvWindow": RECV_WINDOW_MS,
            "timestamp": self._exchange_now_ms(),
        }
        request = {
            "id": 1,
            "method": "userDataStream.subscribe.signature",
            "params": signed_request(self._secret, stamp),
        }
        return AccountSubscription.dial(self._url, json.dumps(request))

    def _receive(self, subscription: AccountSubscription) -> None:
        """Take one message; one of two connections may be lost."""
        confirmed = bool(subscription.subscribed_ms)
        try:
            execution = subscription.receive()
        except LOST as error:
            if len(self._subscriptions) == 1:
                raise
            logger.info("account_stream.connection_lost", error=str(error))
            self._drop(subscription)
            return
        self._frame_ms = max(self._frame_ms, subscription.frame_ms)
        if execution is not None:
            self._wait_with(execution)
        elif subscription.subscribed_ms and not confirmed:
            self._begin(subscription)

    def _begin(self, subscription: AccountSubscription) -> None:
        """Note a subscription; what came before it is missing where none overlaps it."""
        others = [one for one in self._subscriptions if one is not subscription]
        whole = any(one.subscribed_ms for one in others)
        self._subscribed, self._error = True, ""
        logger.info("account_stream.subscribed", whole=whole)
        if not whole:
            self._on_subscribed([self._url])

    def _replace_retiring(self) -> None:
        """Have the next connection subscribed before this one ends; then let this one go."""
        *old, newest = self._subscriptions
        if old and newest.is_steady:
            self._drop(old[0])
        elif not old and newest.is_retiring and time.monotonic() >= self._dial_at_s:
            self._dial_at_s = time.monotonic() + BACKOFF.pause_s(1)
            try:
                self._subscriptions.append(self._dial())
            except LOST as error:
                logger.warning("account_stream.dial_failed", error=str(error))

    def _drop(self, subscription: AccountSubscription) -> None:
        self._subscriptions.remove(subscription)
        self._subscribed = any(one.subscribed_ms for one in self._subscriptions)
        subscription.close()

    def _wait_with(self, execution: Execution) -> None:
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
