"""The exchange's market stream: connect, subscribe, read, and dial again for ever."""

import json
import random
import time
from collections.abc import Generator, Iterable, Iterator, Sequence

import structlog
from websocket import WebSocketException

from market.binance import Reply, read_frames
from market.sockets import BatchSocket
from market.ticks import Tick

logger = structlog.get_logger(__name__)

WAIT_S = 0.05  # how long a quiet socket keeps the caller from its other work
PAUSE_S = 0.002  # between batches, so that they are worth their round trip to Redis
NAMES_A_MESSAGE = 200  # longer lists have failed silently
MESSAGE_EVERY_S = 0.25  # the exchange allows 5 a second, pings included
CONNECT_S = 3.0
ANSWER_S = 10.0  # a control message has failed silently if it takes longer
SILENCE_S = 45  # the exchange pings every 20 s: a connection this quiet is dead
BACKOFF_S = (0.25, 60.0)


def backoff_s(failures: int) -> float:
    """How long to wait before dialling again after so many failures in a row, with jitter."""
    first, most = BACKOFF_S
    return random.uniform(0.5, 1) * min(most, first * 2.0 ** min(failures, 10))  # noqa: S311


class TickStream:
    """Aggregate trades of the followed symbols, over one combined stream.

    A symbol is *live* from the moment the exchange has acknowledged its subscription until
    the connection ends. What happened before has to be fetched: see `newly_live`.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") + "/stream"
        self.live: set[str] = set()
        self.newly_live: list[str] = []  # for the caller to take; it empties the list
        self.connected = False
        self.last_frame_s = 0.0  # time.monotonic()
        # What came over this connection proves that all before it has come: a tick up to its
        # own time, an answer up to when we asked (time.monotonic()).
        self.last_tick_ms = 0
        self.answered_s = float("-inf")
        self._followed: set[str] = set()
        self._asked: set[str] = set()
        self._outbox: list[tuple[str, list[str]]] = []
        self._unanswered: dict[int, tuple[str, list[str], float]] = {}
        self._next_id = 1
        self._next_message_s = 0.0
        self._failures = 0
        self._socket: BatchSocket | None = None
        self._stopping = False

    def follow(self, symbols: Iterable[str]) -> None:
        """Follow exactly `symbols`, on the open connection where there is one."""
        self._followed = set(symbols)
        if self.connected:
            self._subscribe()

    def stop(self) -> None:
        """Let `batches` end after the batch at hand."""
        self._stopping = True

    def probe(self) -> None:
        """Ask for an answer: when it comes, all that was sent before it has come too."""
        if self.connected and not self._outbox and not self._unanswered:
            self._outbox.append(("LIST_SUBSCRIPTIONS", []))

    def batches(self) -> Generator[list[Tick], None, None]:
        """Ticks as many as the socket holds, an empty list where it holds none.

        Ends after `stop`; any trouble with the connection is logged and dialled away.
        """
        while not self._stopping:
            try:
                self._connect()
                yield from self._read()
            except (OSError, WebSocketException) as error:
                logger.warning("stream.lost", url=self.url, error=str(error))
            finally:  # also where the caller has enough
                self._hang_up()
            yield from self._wait(backoff_s(self._failures))
            self._failures += 1

    def _connect(self) -> None:
        self._socket = BatchSocket()
        self._socket.connect(self.url, timeout=CONNECT_S, redirect_limit=0, http_no_proxy=["*"])
        self._socket.settimeout(WAIT_S)
        self.connected, self.last_frame_s = True, time.monotonic()
        self.last_tick_ms, self.answered_s = 0, float("-inf")
        self._asked = set()
        logger.info("stream.connected", url=self.url)
        self._subscribe()

    def _read(self) -> Iterator[list[Tick]]:
        socket = self._socket
        assert socket is not None  # noqa: S101  # _connect made it
        began_s = 0.0
        while not self._stopping:
            self._send_next(socket)
            frames = socket.read_batch()
            self.last_frame_s = max(self.last_frame_s, socket.last_frame_s)
            self._check_life()
            yield self._ticks(frames) if frames else []
            if frames and not socket.more_waiting:
                time.sleep(max(0.0, PAUSE_S - (time.monotonic() - began_s)))
            began_s = time.monotonic()

    def _check_life(self) -> None:
        now_s = time.monotonic()
        if now_s - self.last_frame_s > SILENCE_S:
            raise WebSocketException(f"no frame for {SILENCE_S} s")
        if any(now_s - asked_s > ANSWER_S for _, _, asked_s in self._unanswered.values()):
            raise WebSocketException(f"no answer to a control message for {ANSWER_S} s")

    def _ticks(self, frames: Sequence[bytes]) -> list[Tick]:
        arrived = read_frames(frames)
        for reply in arrived.replies:
            self._answered(reply)
        for frame in arrived.unread:
            logger.warning("stream.unread", frame=frame[:200].decode(errors="replace"))
        if arrived.ticks:
            self._failures = 0  # only a real event shows that the line is good
            self.last_tick_ms = max(self.last_tick_ms, arrived.ticks[-1].time_ms)
        return arrived.ticks

    def _subscribe(self) -> None:
        """Put what is to be asked for into the outbox, in messages of a size that works."""
        for method, symbols in (
            ("UNSUBSCRIBE", self._asked - self._followed),
            ("SUBSCRIBE", self._followed - self._asked),
        ):
            ordered = sorted(symbols)
            for at in range(0, len(ordered), NAMES_A_MESSAGE):
                self._outbox.append((method, ordered[at : at + NAMES_A_MESSAGE]))
        self.live -= self._asked - self._followed
        self._asked = set(self._followed)

    def _send_next(self, socket: BatchSocket) -> None:
        if not self._outbox or time.monotonic() < self._next_message_s:
            return
        method, symbols = self._outbox.pop(0)
        message: dict[str, object] = {"method": method, "id": self._next_id}
        if symbols:
            message["params"] = [f"{symbol.lower()}@aggTrade" for symbol in symbols]
        socket.send(json.dumps(message))
        self._unanswered[self._next_id] = (method, symbols, time.monotonic())
        self._next_id += 1
        self._next_message_s = time.monotonic() + MESSAGE_EVERY_S

    def _answered(self, reply: Reply) -> None:
        method, symbols, asked_s = self._unanswered.pop(reply.id or 0, ("", [], float("-inf")))
        if reply.refused:
            # A connection may stay deaf after a control error: begin afresh.
            raise WebSocketException(f"{method or 'a message'} was refused: {reply}")
        self.answered_s = max(self.answered_s, asked_s)
        if method == "SUBSCRIBE":
            taken = [symbol for symbol in symbols if symbol in self._followed]
            self.live.update(taken)
            self.newly_live += taken

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.shutdown()
        self._socket = None
        self.connected = False
        self.live.clear()
        self.newly_live.clear()
        self._outbox.clear()
        self._unanswered.clear()

    def _wait(self, seconds: float) -> Iterator[list[Tick]]:
        until_s = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until_s:
            time.sleep(WAIT_S)
            yield []
