"""Stream connections: who gets what, pings, and the cutting of those that cannot keep up.

Frames are built once per event and shared; each socket gets its own in one write per round.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from struct import pack

from sandbox.clock import DAY_MS, SECOND_MS, Clock
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
        self.stalled_until_ms = 0
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

    def flush(self) -> None:
        """Hand everything gathered to the socket; cut a client that does not read it."""
        data, self.unsent = b"".join(self.unsent), []
        if self.transport.is_closing() or self.stalled_until_ms > self.hub.clock.now_ms():
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self.transport.abort()

    def keep_alive(self, now_ms: int) -> None:
        """Ping when it is time; close after a day or without a pong for too long."""
        if now_ms - self.last_pong_ms >= PONG_WITHIN_MS:
            self.close(POLICY_VIOLATION, "Pong timeout")
        elif now_ms - self.opened_ms >= DAY_MS:
            self.close(GOING_AWAY, "")
        elif now_ms - self.last_ping_ms >= PING_EVERY_MS:
            self.last_ping_ms = now_ms
            self.send(frame(PING, str(now_ms).encode()))

    def close(self, code: int, reason: str) -> None:
        self.send(frame(CLOSE, pack("!H", code) + reason.encode()))
        self.transport.close()


class Hub:
    """All connections, and for each stream those that are subscribed to it."""

    def __init__(self, clock: Clock, wanted: Callable[[str], None]) -> None:
        """`wanted` is told the name of every stream that someone subscribes to."""
        self.clock = clock
        self.wanted = wanted
        self.connections: set[Connection] = set()
        self.streams: dict[str, set[Connection]] = {}
        self._behind: set[Connection] = set()

    def open(self, transport: asyncio.Transport, combined: bool) -> Connection:
        connection = Connection(self, transport, combined)
        self.connections.add(connection)
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
        payload = encode(event())
        raw = frame(TEXT, payload)
        combined = frame(TEXT, b'{"stream":%b,"data":%b}' % (encode(name), payload))
        for connection in subscribed:
            connection.unsent.append(combined if connection.combined else raw)
        self._behind |= subscribed

    def flush(self) -> None:
        behind, self._behind = self._behind, set()
        for connection in behind:
            connection.flush()

    def keep_alive(self) -> None:
        now_ms = self.clock.now_ms()
        for connection in list(self.connections):
            connection.keep_alive(now_ms)

    def cut(self) -> int:
        for connection in self.connections:
            connection.transport.abort()
        return len(self.connections)

    def stall(self, seconds: float) -> int:
        until_ms = self.clock.now_ms() + int(seconds * SECOND_MS)
        for connection in self.connections:
            connection.stalled_until_ms = until_ms
        return len(self.connections)
