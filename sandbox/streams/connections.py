"""WebSocket connections of any service: frames, pings, ends, and what faults do to them."""

import asyncio
from struct import pack
from typing import Generic, TypeVar

from sandbox.clock import DAY_MS, NEVER_MS, SECOND_MS, Clock

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
PING_EVERY_MS = 20 * SECOND_MS
PONG_WITHIN_MS = 60 * SECOND_MS
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


class Socket:
    """One client's connection. `received` is what each service does of its own."""

    def __init__(self, clock: Clock, transport: asyncio.Transport, lifetime_ms: int) -> None:
        self.clock = clock
        self.transport = transport
        self.unsent: list[bytes] = []
        self.opened_ms = self.last_ping_ms = self.last_pong_ms = clock.now_ms()
        self.ends_ms = self.opened_ms + lifetime_ms
        self.stalled_until_ms = 0
        self.halves_next = False

    def received(self, opcode: int, payload: bytes) -> None:
        """Handle a frame from the client."""
        if opcode == PONG:
            self._ponged(payload)
        elif opcode == PING:
            self.send(frame(PONG, payload))
        else:
            self.heard(payload)

    def heard(self, message: bytes) -> None:
        """Handle a message from the client."""
        raise NotImplementedError

    def shutdown_frame(self, now_ms: int) -> bytes:
        """The frame that announces that this server goes away. Source: protocol B.3."""
        raise NotImplementedError

    def _ponged(self, payload: bytes) -> None:
        """Only a copy of our last ping keeps the connection alive."""
        if payload == str(self.last_ping_ms).encode():
            self.last_pong_ms = self.clock.now_ms()

    @property
    def is_gone(self) -> bool:
        return self.transport.is_closing()

    def abort(self) -> None:
        """End it without a word."""
        self.transport.abort()

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
        return self.stalled_until_ms > self.clock.now_ms()

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


AnySocket = TypeVar("AnySocket", bound=Socket)


class Sockets(Generic[AnySocket]):
    """The open connections of one service; each is closed `lifetime_ms` after it was opened."""

    def __init__(self, clock: Clock, lifetime_ms: int = DAY_MS) -> None:
        self.clock = clock
        self.lifetime_ms = lifetime_ms
        self.refused_until_ms = 0
        self._next_end_ms = NEVER_MS  # nobody's time is over before
        self.connections: set[AnySocket] = set()

    def add(self, connection: AnySocket) -> None:
        self.connections.add(connection)
        self._next_end_ms = min(self._next_end_ms, connection.ends_ms)

    def closed(self, connection: AnySocket) -> None:
        self.connections.discard(connection)

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
            connection.abort()
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
        """Tell those open now that the server goes, and close them then; returns how many."""
        now_ms = self.clock.now_ms()
        for connection in self.connections:
            connection.queue(connection.shutdown_frame(now_ms))
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
