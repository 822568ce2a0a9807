"""A WebSocket server that does what a test wants: the market streams' side of the exchange."""

import base64
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from foundation.times import now_ms
from tests.servers import eventually

BEAT_S = 0.01
KLINE_EVERY_S = 0.1


def frame(payload: bytes, head: int = 0x81) -> bytes:
    """A server's WebSocket frame."""
    size = len(payload)
    if size < 126:
        return bytes([head, size]) + payload
    if size < 65_536:
        return bytes([head, 126]) + size.to_bytes(2, "big") + payload
    return bytes([head, 127]) + size.to_bytes(8, "big") + payload


def wrapped(stream: str, data: dict[str, Any]) -> bytes:
    return frame(json.dumps({"stream": stream, "data": data}).encode())


class Peer:
    """One connection of a client."""

    def __init__(self, venue: "Venue", line: socket.socket) -> None:
        self.venue, self.line = venue, line
        self.names: set[str] = set()
        self.asked: list[dict[str, Any]] = []  # the control messages
        self.pongs: list[bytes] = []
        self.deaf: set[str] = set()  # stream names that are acknowledged and never sent
        self.stalled = False  # open, and nothing more is sent
        self.open = True
        self._lock = threading.Lock()

    def symbols(self) -> set[str]:
        return {name.partition("@")[0].upper() for name in self.names}

    def send(self, data: bytes) -> None:
        with self._lock, suppress(OSError):
            if not self.stalled:
                self.line.sendall(data)

    def publish(self, name: str, data: bytes) -> None:
        if name in self.names and name not in self.deaf:
            self.send(data)

    def cut(self) -> None:
        with suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        with suppress(OSError, struct.error):
            while True:
                head, length = self._exactly(2)
                size = length & 0x7F
                if size == 126:
                    (size,) = struct.unpack(">H", self._exactly(2))
                mask = self._exactly(4)
                masked = self._exactly(size)
                payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))
                if head & 0x0F == 0xA:
                    self.pongs.append(payload)
                elif head & 0x0F == 0x1:
                    self._control(json.loads(payload))
        self.open = False

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.line.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def _control(self, message: dict[str, Any]) -> None:
        self.asked.append(message)
        if self.venue.refuses(message):
            error = {"code": 2, "msg": "Invalid request: invalid stream"}
            self.send(frame(json.dumps({"error": error, "id": message["id"]}).encode()))
            return
        if message["method"] == "SUBSCRIBE":
            self.names |= set(message["params"])
        else:
            self.names -= set(message["params"])
        if self.venue.answers:
            self.send(frame(json.dumps({"result": None, "id": message["id"]}).encode()))


class Venue:
    """Listens; ticks and kline events of every symbol that somebody has subscribed to flow."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []  # every connection there ever was, oldest first
        self.handshakes = 0
        self.turned_away = 0  # how many of the next handshakes get a 503
        self.answers = True
        self.ticking = self.beating = True  # ticks, kline events
        self.at_break: set[str] = set()  # symbols of which nothing is sent to anybody
        self.refused: set[str] = set()  # stream names that are an error
        self.beats = 0
        self.ids: Counter[str] = Counter()
        self.ticked_ms: dict[tuple[str, int], int] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stopped = threading.Event()
        for run in (self._accept, self._market):
            threading.Thread(target=run, daemon=True).start()

    def open_peers(self) -> list[Peer]:
        return [peer for peer in self.peers if peer.open]

    def refuses(self, message: dict[str, Any]) -> bool:
        return bool(self.refused & set(message["params"]))

    def await_beat(self) -> None:
        """Return when what was under way is sent, and what was changed since counts."""
        done = self.beats
        assert eventually(lambda: self.beats > done + 1)

    def stop(self) -> None:
        self._stopped.set()
        self._listener.close()
        for peer in self.peers:
            peer.line.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._greet, args=[line], daemon=True).start()

    def _greet(self, line: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += line.recv(65_536)
        self.handshakes += 1
        if self.turned_away > 0:
            self.turned_away -= 1
            line.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            line.close()
            return
        key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324
        line.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        peer = Peer(self, line)
        self.peers.append(peer)
        peer.serve()

    def _market(self) -> None:
        next_kline_s = 0.0
        while not self._stopped.wait(BEAT_S):
            peers = self.open_peers()
            symbols = sorted(set().union(*(peer.symbols() for peer in peers)) - self.at_break)
            kline_due = time.monotonic() >= next_kline_s
            for symbol in symbols:
                if self.ticking:
                    self._publish(peers, f"{symbol.lower()}@aggTrade", self.tick(symbol))
                if self.beating and kline_due:
                    self._publish(peers, f"{symbol.lower()}@kline_1m", self.kline(symbol))
            self.beats += 1
            if kline_due:
                next_kline_s = time.monotonic() + KLINE_EVERY_S

    def _publish(self, peers: list[Peer], name: str, data: dict[str, Any]) -> None:
        message = wrapped(name, data)
        for peer in peers:
            peer.publish(name, message)

    def tick(self, symbol: str) -> dict[str, Any]:
        self.ids[symbol] += 1
        number, time_ms = self.ids[symbol], now_ms()
        self.ticked_ms[symbol, number] = time_ms
        return {
            "e": "aggTrade", "E": time_ms, "s": symbol, "a": number, "p": "100.00000000",
            "q": "0.10000000", "f": number, "l": number, "T": time_ms, "m": True, "M": True,
        }  # fmt: skip

    def kline(self, symbol: str) -> dict[str, Any]:
        open_ms = now_ms() // 60_000 * 60_000
        kline = {
            "t": open_ms, "T": open_ms + 59_999, "s": symbol, "i": "1m", "f": -1, "L": -1,
            "o": "100", "c": "100", "h": "100", "l": "100", "v": "0", "n": 0, "x": False,
            "q": "0", "V": "0", "Q": "0", "B": "0",
        }  # fmt: skip
        return {"e": "kline", "E": now_ms(), "s": symbol, "k": kline}
