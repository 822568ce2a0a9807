"""WebSocket connections of any service: frames, pings, lifetimes, and faults of all of these."""

import asyncio
from struct import pack
from typing import Generic, TypeVar

from sandbox.clock import DAY_MS, NEVER_MS, SECOND_MS, Clock
from sandbox.streams.frames import CLOSE, GOING_AWAY, PING, POLICY_VIOLATION, PONG, encode_frame

PING_EVERY_MS = 20 * SECOND_MS
MAX_PONG_DELAY_MS = 60 * SECOND_MS
MAX_UNSENT_BYTES = 4 * 1024 * 1024


class Connection:
    """One client's connection; each service handles messages in its own way."""

    def __init__(self, clock: Clock, transport: asyncio.Transport, lifetime_ms: int) -> None:
        self.clock = clock
        self.transport = transport
        self.unsent: list[bytes] = []
        self.opened_ms = self.last_ping_ms = self.last_pong_ms = clock.now_ms()
        self.expires_ms = self.opened_ms + lifetime_ms
        self.stalled_until_ms = 0
        self.halves_next_frame = False

    def on_frame(self, opcode: int, payload: bytes) -> None:
        """Handle a frame from the client."""
        if opcode == PONG:
            self._on_pong(payload)
        elif opcode == PING:
            self.send_frame(encode_frame(PONG, payload))
        else:
            self.on_message(payload)

    def on_message(self, message: bytes) -> None:
        """Handle a message from the client."""
        raise NotImplementedError

    def shutdown_frame(self, now_ms: int) -> bytes:
        """The frame that announces that this server goes away. Source: protocol B.3."""
        raise NotImplementedError

    def _on_pong(self, payload: bytes) -> None:
        """Note a pong: only a copy of our last ping keeps the connection alive."""
        if payload == str(self.last_ping_ms).encode():
            self.last_pong_ms = self.clock.now_ms()

    @property
    def is_disconnected(self) -> bool:
        return self.transport.is_closing()

    def abort(self) -> None:
        """End it without a close frame."""
        self.transport.abort()

    def send_frame(self, frame: bytes) -> None:
        self.unsent.append(frame)
        self.flush_frames()

    def queue_frame(self, frame: bytes) -> None:
        """Have an event's frame sent with the next flush."""
        self.unsent.append(frame)
        if self.halves_next_frame and not self._is_stalled():
            self.unsent[-1] = frame[: len(frame) // 2]
            self.flush_frames()
            self.transport.close()

    def _is_stalled(self) -> bool:
        return self.stalled_until_ms > self.clock.now_ms()

    def flush_frames(self) -> None:
        """Write all queued frames; abort a client that does not read them."""
        data, self.unsent = b"".join(self.unsent), []
        if self.transport.is_closing() or self._is_stalled():
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.transport.abort()

    def ping_or_close(self, now_ms: int) -> None:
        """Ping when it is time; close a client that has sent no pong for too long."""
        if now_ms - self.last_pong_ms >= MAX_PONG_DELAY_MS:
            self.close(POLICY_VIOLATION, "Pong timeout")
        elif now_ms - self.last_ping_ms >= PING_EVERY_MS:
            self.last_ping_ms = now_ms
            self.send_frame(encode_frame(PING, str(now_ms).encode()))

    def close(self, code: int, reason: str) -> None:
        self.send_frame(encode_frame(CLOSE, pack("!H", code) + reason.encode()))
        self.transport.close()


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class ConnectionPool(Generic[AnyConnection]):
    """The open connections of one service; each is closed `lifetime_ms` after it was opened."""

    def __init__(self, clock: Clock, lifetime_ms: int = DAY_MS) -> None:
        self.clock = clock
        self.lifetime_ms = lifetime_ms
        self.refused_until_ms = 0
        self._next_expiry_ms = NEVER_MS  # no connection expires before
        self.connections: set[AnyConnection] = set()

    def add_connection(self, connection: AnyConnection) -> None:
        self.connections.add(connection)
        self._next_expiry_ms = min(self._next_expiry_ms, connection.expires_ms)

    def remove_connection(self, connection: AnyConnection) -> None:
        self.connections.discard(connection)

    def ping_all(self) -> None:
        now_ms = self.clock.now_ms()
        for connection in list(self.connections):
            connection.ping_or_close(now_ms)

    def close_expired(self) -> None:
        """Close the connections whose time is over."""
        now_ms = self.clock.now_ms()
        if now_ms < self._next_expiry_ms:
            return
        for connection in self.connections:
            if connection.expires_ms <= now_ms:
                connection.close(GOING_AWAY, "")
        left = [one.expires_ms for one in self.connections if one.expires_ms > now_ms]
        self._next_expiry_ms = min(left, default=NEVER_MS)

    def abort_all(self) -> int:
        """Abort every connection without a close frame; returns how many."""
        for connection in self.connections:
            connection.abort()
        return len(self.connections)

    def stall_all(self, seconds: float) -> int:
        """Keep those open now open, but send them nothing; returns how many."""
        until_ms = self.clock.now_ms() + int(seconds * SECOND_MS)
        for connection in self.connections:
            connection.stalled_until_ms = until_ms
        return len(self.connections)

    def halve_next_frames(self) -> int:
        """Break every connection off amid its next frame; returns how many."""
        for connection in self.connections:
            connection.halves_next_frame = True
        return len(self.connections)

    def announce_shutdown(self, seconds: float) -> int:
        """Tell those open now that the server goes, and close them then; returns how many."""
        now_ms = self.clock.now_ms()
        for connection in self.connections:
            connection.queue_frame(connection.shutdown_frame(now_ms))
            connection.flush_frames()
            connection.expires_ms = now_ms + int(seconds * SECOND_MS)
            self._next_expiry_ms = min(self._next_expiry_ms, connection.expires_ms)
        return len(self.connections)

    def refuse_connections(self, seconds: float) -> None:
        """Refuse new connections for a while."""
        self.refused_until_ms = self.clock.now_ms() + int(seconds * SECOND_MS)

    @property
    def is_refusing(self) -> bool:
        return self.refused_until_ms > self.clock.now_ms()

    def clear_faults(self) -> None:
        """End all faults of connections that are still to come or in force."""
        self.refused_until_ms = 0
        for connection in self.connections:
            connection.stalled_until_ms = 0
            connection.halves_next_frame = False
            connection.expires_ms = connection.opened_ms + self.lifetime_ms
