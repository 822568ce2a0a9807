"""Connection to the exchange's market stream: its state, and what it has proven."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from foundation.backoff import Backoff
from market.stream.subscriptions import Subscriptions
from market.stream.websocket import BATCH_BYTES, BatchSocket, Dial
from market.wire.bounds import MAX_TIME_MS
from market.wire.damage import damage
from market.wire.frames import KlineEvent, StreamBatch, read_frames


@dataclass(frozen=True)
class Timing:
    """Time limits of a connection, in seconds. Source of the bounds: protocol, B.1 and K 9-14."""

    lifetime_s: float = 23 * 3600.0  # the exchange cuts after 24 h
    connect_s: float = 3.0
    answer_s: float = 10.0  # a control message has failed silently if it takes longer
    silence_s: float = 45.0  # the exchange pings every 20 s: without any frame it is dead
    quiet_s: float = 5.0  # kline events come every 2 s: suspicious where symbols are followed
    heartbeat_s: float = 10.0  # the same for one symbol


DEFAULT_TIMING = Timing()


class ConnectionState(StrEnum):
    WAITING = "waiting"  # until it is time to dial
    DIALLING = "dialling"
    OPEN = "open"
    RETIRING = "retiring"  # open, while another one is taking over
    CLOSED = "closed"


OPEN_STATES = frozenset({ConnectionState.OPEN, ConnectionState.RETIRING})


@dataclass(slots=True)
class Reception:
    """Events of one symbol over one connection since it was acknowledged there."""

    live_s: float
    heard_s: float  # when the last kline event came; when it was acknowledged, before the first
    first_ms: int = 0  # event time of the first kline event
    event_ms: int = 0  # and of the last


class Connection:
    """One connection from the dialling on, and what has come over it.

    Times are seconds of the caller's clock, which is passed in as `now_s`.
    """

    def __init__(
        self, url: str, kinds: Sequence[str], timing: Timing, dial_at_s: float, failures: int
    ) -> None:
        self.url, self.timing, self.dial_at_s = url, timing, dial_at_s
        self.state = ConnectionState.WAITING
        self.failures = failures  # of it and its forerunners since the last event
        self.subscriptions = Subscriptions(kinds)
        self.live: dict[str, Reception] = {}
        # Different for each, so that they are not all replaced at once.
        self.lifetime_s = timing.lifetime_s * random.uniform(0.9, 1)  # noqa: S311
        self.socket: BatchSocket | None = None  # while it is open
        self.opened_s = self.frame_s = 0.0
        self.last_frame_s = 0.0  # the same as `frame_s`, by time.monotonic()
        self._dial: Dial | None = None  # while it is dialling
        self._dialled_s = 0.0

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def retiring(self) -> bool:
        return self.state is ConnectionState.RETIRING

    @property
    def wanted(self) -> set[str]:
        return self.subscriptions.wanted

    # --- Opening and closing -----------------------------------------------------------------

    def dial(self, now_s: float) -> None:
        self.state = ConnectionState.DIALLING
        self._dial, self._dialled_s = Dial(self.url, self.timing.connect_s), now_s

    def finish_dial(self, now_s: float) -> bool:
        """True where the dialling has just brought a socket. Raises OSError where it failed."""
        if self._dial is None:
            return False
        if self._dial.error is not None:
            raise ConnectionError(self._dial.error)
        self.socket = self._dial.pop_socket()
        if self.socket is None:
            # Looking a name up knows no time-out; each other step has its own.
            if now_s - self._dialled_s > 4 * self.timing.connect_s:
                raise ConnectionError("no connection in time")
            return False
        self.state = ConnectionState.OPEN
        self._dial, self.opened_s, self.frame_s = None, now_s, now_s
        return True

    def retire(self) -> None:
        """Go on carrying symbols until another connection has taken over."""
        self.state = ConnectionState.RETIRING

    def close(self) -> None:
        self.state = ConnectionState.CLOSED
        if self._dial is not None:
            self._dial.cancel()
            self._dial = None
        if self.socket is not None:
            self.socket.shutdown()
            self.socket = None
        self.live.clear()

    def complaint(self, now_s: float) -> str:
        """The reason to replace it; empty where there is none."""
        timing, quiet_s = self.timing, now_s - self.frame_s
        # Where replacing it did not help before, be more patient with each time.
        patience_s = Backoff(timing.quiet_s, float("inf")).pause_s(self.failures)
        if self.live and quiet_s > patience_s:
            return f"no frame for {patience_s:g} s"
        if self.subscriptions.unanswered_s(now_s) > timing.answer_s:
            return f"no answer for {timing.answer_s:g} s"
        if now_s - self.opened_s > self.lifetime_s:
            return "its time is over"
        return ""

    # --- Subscribing -------------------------------------------------------------------------

    def add(self, symbol: str) -> None:
        self.subscriptions.add(symbol)

    def drop(self, symbol: str) -> None:
        self.subscriptions.drop(symbol)
        self.live.pop(symbol, None)

    def subscribe(self, now_s: float) -> None:
        """Send the next control message, where there is one and its time has come."""
        if self.socket is not None and (message := self.subscriptions.next_message(now_s)):
            self.socket.send(message)

    # --- Reading -----------------------------------------------------------------------------

    def read(
        self, now_s: float, max_bytes: int = BATCH_BYTES, latest_ms: int = MAX_TIME_MS
    ) -> tuple[StreamBatch, list[str]]:
        """The events that have come, and the symbols that have just been acknowledged.

        `latest_ms` bounds their times. Raises OSError or WebSocketException where the connection
        is of no further use.
        """
        assert self.socket is not None  # noqa: S101  # only open ones are read
        frames = self.socket.read_batch(max_bytes)
        if self.socket.last_frame_s > self.last_frame_s:
            self.last_frame_s, self.frame_s = self.socket.last_frame_s, now_s
        batch = read_frames(frames, latest_ms)
        for frame in batch.unknown:
            damage.note("frame", frame[:200].decode(errors="replace"))
        for why in batch.damaged:
            damage.note("event", why)
        for kline in batch.klines:
            self._note_event(kline, now_s)
        # A connection that cannot settle is not well, whatever else it brings.
        if (batch.ticks or batch.klines) and self.subscriptions.settled:
            self.failures = 0
        # After the events: what came before the acknowledgement proves nothing.
        acknowledged = [
            symbol for reply in batch.replies for symbol in self.subscriptions.acknowledge(reply)
        ]
        self.live.update((symbol, Reception(now_s, now_s)) for symbol in acknowledged)
        return batch, acknowledged

    def _note_event(self, kline: KlineEvent, now_s: float) -> None:
        reception = self.live.get(kline.symbol)
        if reception is not None:
            reception.heard_s = now_s
            reception.first_ms = reception.first_ms or kline.event_ms
            reception.event_ms = max(reception.event_ms, kline.event_ms)
