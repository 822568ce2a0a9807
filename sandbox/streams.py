"""Stream connections: who gets what, pings, and the cutting of those that cannot keep up.

Frames are built once per event and shared; each socket gets its own in one write per round.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from struct import pack

from sandbox.clock import DAY_MS, NEVER_MS, SECOND_MS, Clock
from sandbox.control import Subscriber, answer
from sandbox.wire import Json, encode

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
PING_EVERY_MS = 20 * SECOND_MS
PONG_WITHIN_MS = 60 * SECOND_MS
INBOUND_PER_SECOND = 5
MOST_UNSENT_BYTES = 4 * 1024 * 1024
POLICY_VIOLATION, GOING_AWAY = 1008, 1001


def frame(opcode: int, payload: bytes) -> bytes:
    """One unmasked, final WebSocket frame. Source: RFC 6455, 5.2."""
    length = len(payload)
    if length < 126:
        return pack("!BB", 0x80 | opcode, length) + payload
    if length < 65_536:
        return pack("!BBH", 0x80 | opcode, 126, length) + payload
    return pack("!BBQ", 0x80 | opcode, 127, length) + payload


class Connection(Subscriber):
    """One client's socket. `combined` wraps every event with its stream's name."""

    def __init__(self, hub: "Hub", transport: asyncio.Transport, combined: bool) -> None:
        self.hub = hub
        self.transport = transport
        self.combined = combined
        self.names: dict[str, None] = {}  # a set that keeps its order
        self.unsent: list[bytes] = []
        self.opened_ms = self.last_ping_ms = self.last_pong_ms = hub.clock.now_ms()
        self.ends_ms = self.opened_ms + hub.lifetime_ms
        self.stalled_until_ms = 0
        self.halves_next = False
        self.inbound: deque[int] = deque(maxlen=INBOUND_PER_SECOND)

    def subscriptions(self) -> list[str]:
        return list(self.names)

    def subscribe(self, names: list[str]) -> None:
        for name in names:
            self.names[name] = None
            self.hub.join(name, self)

    def unsubscribe(self, names: list[str]) -> None:
        for name in names:
            if name in self.names:
                del self.names[name]
                self.hub.leave(name, self)

    def received(self, opcode: int, payload: bytes) -> None:
        """Handle a frame from the client; all kinds count against the inbound limit."""
        now_ms = self.hub.clock.now_ms()
        if len(self.inbound) == INBOUND_PER_SECOND and now_ms - self.inbound[0] < SECOND_MS:
            self.close(POLICY_VIOLATION, "Too many requests")
            return
        self.inbound.append(now_ms)
        if opcode == PONG:
            self._ponged(payload, now_ms)
        elif opcode == PING:
            self.send(frame(PONG, payload))
        else:
            self.send(frame(TEXT, encode(answer(self, payload))))

    def _ponged(self, payload: bytes, now_ms: int) -> None:
        """Only a copy of our last ping keeps the connection alive."""
        if payload == str(self.last_ping_ms).encode():
            self.last_pong_ms = now_ms

    def send(self, data: bytes) -> None:
        self.unsent.append(data)
        self.flush()

    def queue(self, event: bytes) -> None:
        """Have an event's frame sent with the next flush."""
        self.unsent.append(event)
        if self.halves_next and not self._is_stalled():
            self.unsent[-1] = event[: len(event) // 2]
            self.flush()
            self.transport.close()

    def _is_stalled(self) -> bool:
        return self.stalled_until_ms > self.hub.clock.now_ms()

    def flush(self) -> None:
        """Hand everything gathered to the socket; cut a client that does not read it."""
        data, self.unsent = b"".join(self.unsent), []
        if self.transport.is_closing() or self._is_stalled():
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self.transport.abort()

    def keep_alive(self, now_ms: int) -> None:
        """Ping when it is time; close without a pong for too long."""
        if now_ms - self.last_pong_ms >= PONG_WITHIN_MS:
            self.close(POLICY_VIOLATION, "Pong timeout")
        elif now_ms - self.last_ping_ms >= PING_EVERY_MS:
            self.last_ping_ms = now_ms
            self.send(frame(PING, str(now_ms).encode()))

    def close(self, code: int, reason: str) -> None:
        self.send(frame(CLOSE, pack("!H", code) + reason.encode()))
        self.transport.close()


class Hub:
    """All connections, and for each stream those that are subscribed to it."""

    def __init__(
        self, clock: Clock, wanted: Callable[[str], None], lifetime_ms: int = DAY_MS
    ) -> None:
        """`wanted` is told the name of every stream that someone subscribes to.

        Every connection is closed `lifetime_ms` after it was opened.
        """
        self.clock = clock
        self.wanted = wanted
        self.lifetime_ms = lifetime_ms
        self.refused_until_ms = 0
        self._next_end_ms = NEVER_MS  # nobody's time is over before
        self.connections: set[Connection] = set()
        self.streams: dict[str, set[Connection]] = {}
        self._behind: set[Connection] = set()

    def open(self, transport: asyncio.Transport, combined: bool) -> Connection:
        connection = Connection(self, transport, combined)
        self.connections.add(connection)
        self._next_end_ms = min(self._next_end_ms, connection.ends_ms)
        return connection

    def closed(self, connection: Connection) -> None:
        connection.unsubscribe(connection.subscriptions())
        self.connections.discard(connection)
        self._behind.discard(connection)

    def join(self, name: str, connection: Connection) -> None:
        self.wanted(name)
        self.streams.setdefault(name, set()).add(connection)

    def leave(self, name: str, connection: Connection) -> None:
        self.streams[name].discard(connection)
        if not self.streams[name]:
            del self.streams[name]

    def publish(self, name: str, event: Callable[[], Json | list[Json]]) -> None:
        """Queue an event for whoever is subscribed; `event` is called only if someone is."""
        subscribed = self.streams.get(name)
        if not subscribed:
            return
        raw, combined = _frames(name, event())
        for connection in subscribed:
            connection.queue(combined if connection.combined else raw)
        self._behind |= subscribed

    def flush(self) -> None:
        behind, self._behind = self._behind, set()
        for connection in behind:
            connection.flush()

    def keep_alive(self) -> None:
        now_ms = self.clock.now_ms()
        for connection in list(self.connections):
            connection.keep_alive(now_ms)

    def end_lifetimes(self) -> None:
        """Close the connections whose time is over."""
        now_ms = self.clock.now_ms()
        if now_ms < self._next_end_ms:
            return
        for connection in self.connections:
            if connection.ends_ms <= now_ms:
                connection.close(GOING_AWAY, "")
        left = [one.ends_ms for one in self.connections if one.ends_ms > now_ms]
        self._next_end_ms = min(left, default=NEVER_MS)

    def cut(self) -> int:
        """Abort every connection without a close frame; returns how many."""
        for connection in self.connections:
            connection.transport.abort()
        return len(self.connections)

    def stall(self, seconds: float) -> int:
        """Keep those open now open, but send them nothing; returns how many."""
        until_ms = self.clock.now_ms() + int(seconds * SECOND_MS)
        for connection in self.connections:
            connection.stalled_until_ms = until_ms
        return len(self.connections)

    def halve(self) -> int:
        """Break every connection off amid its next event; returns how many."""
        for connection in self.connections:
            connection.halves_next = True
        return len(self.connections)

    def announce_shutdown(self, seconds: float) -> int:
        """Tell those open now that the server goes, and close them then; returns how many.

        Source: protocol B.3.
        """
        now_ms = self.clock.now_ms()
        raw, combined = _frames("!serverShutdown", {"e": "serverShutdown", "E": now_ms})
        for connection in self.connections:
            connection.queue(combined if connection.combined else raw)
            connection.flush()
            connection.ends_ms = now_ms + int(seconds * SECOND_MS)
            self._next_end_ms = min(self._next_end_ms, connection.ends_ms)
        return len(self.connections)

    def refuse(self, seconds: float) -> None:
        """Let nobody connect for a while."""
        self.refused_until_ms = self.clock.now_ms() + int(seconds * SECOND_MS)

    @property
    def is_refusing(self) -> bool:
        return self.refused_until_ms > self.clock.now_ms()

    def calm(self) -> None:
        """End all of these faults that are still to come or in force."""
        self.refused_until_ms = 0
        for connection in self.connections:
            connection.stalled_until_ms = 0
            connection.halves_next = False
            connection.ends_ms = connection.opened_ms + self.lifetime_ms


def _frames(name: str, event: Json | list[Json]) -> tuple[bytes, bytes]:
    """An event's frames for raw and for combined connections."""
    payload = encode(event)
    combined = b'{"stream":%b,"data":%b}' % (encode(name), payload)
    return frame(TEXT, payload), frame(TEXT, combined)
