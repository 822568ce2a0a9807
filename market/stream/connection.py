"""One connection to the exchange's market stream: what it carries, and what it has proven."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from websocket import WebSocketException

from foundation.backoff import Backoff
from market.stream.websocket import BATCH_BYTES, BatchSocket, Dial
from market.wire import KlineEvent, Reply, StreamBatch, read_frames

logger = structlog.get_logger(__name__)

NAMES_A_MESSAGE = 200  # longer lists have failed silently
# The exchange allows 5 messages a second, and answers to its pings count among them.
MESSAGE_EVERY_S = 0.3


@dataclass(frozen=True)
class Timing:
    """How long things may take, in seconds. Source of the bounds: protocol, B.1 and K 9-14."""

    lifetime_s: float = 23 * 3600.0  # the exchange cuts after 24 h
    connect_s: float = 3.0
    answer_s: float = 10.0  # a control message has failed silently if it takes longer
    silence_s: float = 45.0  # the exchange pings every 20 s: without any frame it is dead
    quiet_s: float = 5.0  # kline events come every 2 s: suspicious where symbols are followed
    heartbeat_s: float = 10.0  # the same for one symbol


USUAL = Timing()


@dataclass(slots=True)
class Reception:
    """What has come of one symbol over one connection since it was acknowledged there."""

    live_s: float
    heard_s: float  # when the last kline event came; when it was acknowledged, before the first
    first_ms: int = 0  # event time of the first kline event
    proven_ms: int = 0  # and of the last


class Connection:
    """From the dialling on: subscribes to what is added, reads, and notes what it has heard.

    Times are seconds of the caller's clock, which is passed in as `now_s`.
    """

    def __init__(
        self, url: str, kinds: Sequence[str], timing: Timing, dial_at_s: float, failures: int
    ) -> None:
        self.url, self.timing, self.dial_at_s = url, timing, dial_at_s
        self.kinds = kinds  # of streams, for each symbol
        self.failures = failures  # of it and its forerunners since the last event
        self.wanted: set[str] = set()
        self.live: dict[str, Reception] = {}
        self.retiring = False  # another one is taking over
        # Different for each, so that they are not all replaced at once.
        self.lifetime_s = timing.lifetime_s * random.uniform(0.9, 1)  # noqa: S311
        self.socket: BatchSocket | None = None
        self.opened_s = self.frame_s = 0.0
        self.last_frame_s = 0.0  # the same as `frame_s`, by time.monotonic()
        self._dial: Dial | None = None
        self._dialled_s = 0.0
        self._asked: dict[str, int] = {}  # symbol to the message that subscribed to it
        self._unwanted: set[str] = set()  # to unsubscribe from
        self._unanswered: dict[int, float] = {}
        self._subscribing: dict[int, list[str]] = {}
        self._next_id = 1
        self._next_message_s = 0.0
        self._settled = True  # there is nothing to ask for

    @property
    def dialling(self) -> bool:
        return self._dial is not None

    @property
    def is_open(self) -> bool:
        return self.socket is not None

    @property
    def state(self) -> str:
        """For people to read: waiting, dialling, open or retiring."""
        if self.is_open:
            return "retiring" if self.retiring else "open"
        return "dialling" if self.dialling else "waiting"

    # --- Opening and closing -----------------------------------------------------------------

    def dial(self, now_s: float) -> None:
        self._dial, self._dialled_s = Dial(self.url, self.timing.connect_s), now_s

    def opened(self, now_s: float) -> bool:
        """Whether the dialling has just brought a socket. Raises OSError where it failed."""
        if self._dial is None:
            return False
        if self._dial.error is not None:
            raise ConnectionError(self._dial.error)
        self.socket = self._dial.take()
        if self.socket is None:
            # Looking a name up knows no time-out; each other step has its own.
            if now_s - self._dialled_s > 4 * self.timing.connect_s:
                raise ConnectionError("no connection in time")
            return False
        self._dial, self.opened_s, self.frame_s = None, now_s, now_s
        return True

    def close(self) -> None:
        if self._dial is not None:
            self._dial.give_up()
            self._dial = None
        if self.socket is not None:
            self.socket.shutdown()
            self.socket = None
        self.live.clear()

    def complaint(self, now_s: float) -> str:
        """Why it should be replaced; empty where it shouldn't."""
        timing, quiet_s = self.timing, now_s - self.frame_s
        # Where replacing it did not help before, be more patient with each time.
        patience_s = Backoff(timing.quiet_s, float("inf")).pause_s(self.failures)
        if self.live and quiet_s > patience_s:
            return f"no frame for {patience_s:g} s"
        if now_s - min(self._unanswered.values(), default=now_s) > timing.answer_s:
            return f"no answer for {timing.answer_s:g} s"
        if now_s - self.opened_s > self.lifetime_s:
            return "its time is over"
        return ""

    # --- Asking ------------------------------------------------------------------------------

    def add(self, symbol: str) -> None:
        self.wanted.add(symbol)
        self._settled = False

    def drop(self, symbol: str) -> None:
        self.wanted.discard(symbol)
        self.live.pop(symbol, None)
        if self._asked.pop(symbol, None) is not None:
            self._unwanted.add(symbol)
            self._settled = False

    def ask(self, now_s: float) -> None:
        """Send the next control message, where there is one and its time has come."""
        if self._settled or self.socket is None or now_s < self._next_message_s:
            return
        symbols = self._some_of(self._unwanted)
        if symbols:
            self._send("UNSUBSCRIBE", symbols, now_s)
            self._unwanted.difference_update(symbols)
        elif symbols := self._some_of(self.wanted - self._asked.keys()):
            self._subscribing[self._next_id] = symbols
            self._asked.update(dict.fromkeys(symbols, self._next_id))
            self._send("SUBSCRIBE", symbols, now_s)
        else:
            self._settled = True

    def _some_of(self, symbols: set[str]) -> list[str]:
        return sorted(symbols)[: NAMES_A_MESSAGE // len(self.kinds)]

    def _send(self, method: str, symbols: Sequence[str], now_s: float) -> None:
        assert self.socket is not None  # noqa: S101  # `ask` saw it
        names = [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in self.kinds]
        self.socket.send(json.dumps({"method": method, "params": names, "id": self._next_id}))
        self._unanswered[self._next_id] = now_s
        self._next_id += 1
        self._next_message_s = now_s + MESSAGE_EVERY_S

    # --- Reading -----------------------------------------------------------------------------

    def read(self, now_s: float, most_bytes: int = BATCH_BYTES) -> tuple[StreamBatch, list[str]]:
        """What has come, and which symbols have just been acknowledged.

        Raises OSError or WebSocketException where the connection is of no further use.
        """
        assert self.socket is not None  # noqa: S101  # only open ones are read
        frames = self.socket.read_batch(most_bytes)
        if self.socket.last_frame_s > self.last_frame_s:
            self.last_frame_s, self.frame_s = self.socket.last_frame_s, now_s
        arrived = read_frames(frames)
        for frame in arrived.unread:
            logger.warning("stream.unread", frame=frame[:200].decode(errors="replace"))
        for kline in arrived.klines:
            self._heard(kline, now_s)
        # A connection that cannot settle is not well, whatever else it brings.
        if self._settled and not self._unanswered and (arrived.ticks or arrived.klines):
            self.failures = 0
        # After the events: what came before the acknowledgement proves nothing.
        return arrived, [s for reply in arrived.replies for s in self._answered(reply, now_s)]

    def _heard(self, kline: KlineEvent, now_s: float) -> None:
        reception = self.live.get(kline.symbol)
        if reception is not None:
            reception.heard_s = now_s
            reception.first_ms = reception.first_ms or kline.event_ms
            reception.proven_ms = max(reception.proven_ms, kline.event_ms)

    def _answered(self, reply: Reply, now_s: float) -> list[str]:
        if reply.refused:
            # A connection may stay deaf after a control error: begin afresh.
            raise WebSocketException(f"a control message was refused: {reply}")
        number = reply.id or 0
        self._unanswered.pop(number, None)
        symbols = self._subscribing.pop(number, [])
        # Those that were dropped meanwhile, and perhaps asked for again, wait for a later one.
        taken = [symbol for symbol in symbols if self._asked.get(symbol) == number]
        self.live.update((symbol, Reception(now_s, now_s)) for symbol in taken)
        return taken
