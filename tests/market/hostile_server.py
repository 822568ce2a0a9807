"""A server that answers each request with whatever bytes a test wants, for as long as it wants."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from foundation.times import now_ms

Answer = Callable[[], Iterable[bytes]]


def json_answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def good_time() -> Iterator[bytes]:
    yield json_answer(b'{"serverTime":%d}' % now_ms())


def dripped(data: bytes, every_s: float = 0.02) -> Iterator[bytes]:
    """`data`, a byte at a time, and then its last byte without end."""
    for at in range(10**9):
        yield data[min(at, len(data) - 1) :][:1]
        time.sleep(every_s)


class HostileServer:
    """Answers by path; a path that is not in `answers` gets the exchange's time."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self.connections += 1
                self._lines.append(line)
                threading.Thread(target=self._serve, args=[line], daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError), line:
            while request := _request(line):
                path = request.split(b" ", 2)[1].partition(b"?")[0].decode()
                for part in self.answers.get(path, good_time)():
                    line.sendall(part)

    def stop(self) -> None:
        self._listener.close()
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def _request(line: socket.socket) -> bytes:
    """A request's head, once its body has come too; empty at the end."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (more := line.recv(65_536)):
            return b""
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    while len(body) < length:
        body += line.recv(65_536)
    return head


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    server = HostileServer()
    yield server
    server.stop()
