"""Market streams: connections and the streams they are subscribed to.

Frames are built once per event and shared; each connection gets its own in one write per step.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from sandbox.clock import DAY_MS, SECOND_MS, Clock
from sandbox.streams.connections import Connection, ConnectionPool
from sandbox.streams.control_messages import Subscriber, handle_control_message
from sandbox.streams.frames import POLICY_VIOLATION, TEXT, encode_frame
from sandbox.wire import Json, encode_json

MAX_INBOUND_PER_SECOND = 5


class StreamConnection(Connection, Subscriber):
    """One client's connection. `combined` wraps every event with its stream's name."""

    def __init__(self, hub: "StreamHub", transport: asyncio.Transport, combined: bool) -> None:
        super().__init__(hub.clock, transport, hub.lifetime_ms)
        self.hub = hub
        self.combined = combined
        self.stream_names: dict[str, None] = {}  # a set that keeps its order
        self._inbound_ms: deque[int] = deque(maxlen=MAX_INBOUND_PER_SECOND)

    def subscriptions(self) -> list[str]:
        return list(self.stream_names)

    def subscribe(self, names: list[str]) -> None:
        for name in names:
            self.stream_names[name] = None
            self.hub.add_subscriber(name, self)

    def unsubscribe(self, names: list[str]) -> None:
        for name in names:
            if name in self.stream_names:
                del self.stream_names[name]
                self.hub.remove_subscriber(name, self)

    def on_frame(self, opcode: int, payload: bytes) -> None:
        """Handle a frame; all kinds count against the inbound limit."""
        now_ms, inbound = self.clock.now_ms(), self._inbound_ms
        if len(inbound) == MAX_INBOUND_PER_SECOND and now_ms - inbound[0] < SECOND_MS:
            self.close(POLICY_VIOLATION, "Too many requests")
            return
        inbound.append(now_ms)
        super().on_frame(opcode, payload)

    def on_message(self, message: bytes) -> None:
        self.send_frame(encode_frame(TEXT, encode_json(handle_control_message(self, message))))

    def shutdown_frame(self, now_ms: int) -> bytes:
        raw, combined = _encode_event("!serverShutdown", {"e": "serverShutdown", "E": now_ms})
        return combined if self.combined else raw


class StreamHub(ConnectionPool[StreamConnection]):
    """All connections, and for each stream those that are subscribed to it."""

    def __init__(
        self, clock: Clock, on_subscribe: Callable[[str], None], lifetime_ms: int = DAY_MS
    ) -> None:
        """`on_subscribe` is called with the name of every stream that is subscribed to."""
        super().__init__(clock, lifetime_ms)
        self.on_subscribe = on_subscribe
        self.streams: dict[str, set[StreamConnection]] = {}
        self._unflushed: set[StreamConnection] = set()

    def open_connection(self, transport: asyncio.Transport, combined: bool) -> StreamConnection:
        connection = StreamConnection(self, transport, combined)
        self.add_connection(connection)
        return connection

    def remove_connection(self, connection: StreamConnection) -> None:
        connection.unsubscribe(connection.subscriptions())
        super().remove_connection(connection)
        self._unflushed.discard(connection)

    def add_subscriber(self, name: str, connection: StreamConnection) -> None:
        self.on_subscribe(name)
        self.streams.setdefault(name, set()).add(connection)

    def remove_subscriber(self, name: str, connection: StreamConnection) -> None:
        self.streams[name].discard(connection)
        if not self.streams[name]:
            del self.streams[name]

    def publish(self, name: str, event: Callable[[], Json | list[Json]]) -> None:
        """Queue an event for its subscribers; `event` is called only where there are any."""
        subscribed = self.streams.get(name)
        if not subscribed:
            return
        raw, combined = _encode_event(name, event())
        for connection in subscribed:
            connection.queue_frame(combined if connection.combined else raw)
        self._unflushed |= subscribed

    def flush_all(self) -> None:
        unflushed, self._unflushed = self._unflushed, set()
        for connection in unflushed:
            connection.flush_frames()


def _encode_event(name: str, event: Json | list[Json]) -> tuple[bytes, bytes]:
    """An event's frames for raw and for combined connections."""
    payload = encode_json(event)
    combined = b'{"stream":%b,"data":%b}' % (encode_json(name), payload)
    return encode_frame(TEXT, payload), encode_frame(TEXT, combined)
