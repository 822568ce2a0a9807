"""Market streams: who is subscribed to what.

Frames are built once per event and shared; each socket gets its own in one write per round.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from sandbox.clock import DAY_MS, SECOND_MS, Clock
from sandbox.streams.connections import POLICY_VIOLATION, TEXT, Socket, Sockets, frame
from sandbox.streams.control_messages import Subscriber, answer
from sandbox.wire import Json, encode_json

INBOUND_PER_SECOND = 5


class Connection(Socket, Subscriber):
    """One client's socket. `combined` wraps every event with its stream's name."""

    def __init__(self, hub: "Hub", transport: asyncio.Transport, combined: bool) -> None:
        super().__init__(hub.clock, transport, hub.lifetime_ms)
        self.hub = hub
        self.combined = combined
        self.names: dict[str, None] = {}  # a set that keeps its order
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
        """Frames of all kinds count against the inbound limit."""
        now_ms = self.clock.now_ms()
        if len(self.inbound) == INBOUND_PER_SECOND and now_ms - self.inbound[0] < SECOND_MS:
            self.close(POLICY_VIOLATION, "Too many requests")
            return
        self.inbound.append(now_ms)
        super().received(opcode, payload)

    def heard(self, message: bytes) -> None:
        self.send(frame(TEXT, encode_json(answer(self, message))))

    def shutdown_frame(self, now_ms: int) -> bytes:
        raw, combined = _frames("!serverShutdown", {"e": "serverShutdown", "E": now_ms})
        return combined if self.combined else raw


class Hub(Sockets[Connection]):
    """All connections, and for each stream those that are subscribed to it."""

    def __init__(
        self, clock: Clock, wanted: Callable[[str], None], lifetime_ms: int = DAY_MS
    ) -> None:
        """`wanted` is told the name of every stream that someone subscribes to."""
        super().__init__(clock, lifetime_ms)
        self.wanted = wanted
        self.streams: dict[str, set[Connection]] = {}
        self._behind: set[Connection] = set()

    def open(self, transport: asyncio.Transport, combined: bool) -> Connection:
        connection = Connection(self, transport, combined)
        self.add(connection)
        return connection

    def closed(self, connection: Connection) -> None:
        connection.unsubscribe(connection.subscriptions())
        super().closed(connection)
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


def _frames(name: str, event: Json | list[Json]) -> tuple[bytes, bytes]:
    """An event's frames for raw and for combined connections."""
    payload = encode_json(event)
    combined = b'{"stream":%b,"data":%b}' % (encode_json(name), payload)
    return frame(TEXT, payload), frame(TEXT, combined)
