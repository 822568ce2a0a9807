"""Deadline of a whole HTTP answer, where `requests` knows only of one for each read.

An answer that comes byte by byte, in its headers or in its body, would keep its reader for ever.
"""

import http.client
import io
import socket
import time
from functools import cache
from typing import Any

from requests.adapters import HTTPAdapter


class _TimedReader(io.RawIOBase):
    """Bytes of a socket until its time-out from now on, however many reads that takes."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._file: Any = line.makefile("rb", buffering=0)
        timeout_s = line.gettimeout()
        self._until_s = float("inf") if timeout_s is None else time.monotonic() + timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer is not whole in time")
        self._line.settimeout(None if left_s == float("inf") else left_s)
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *options: Any, **named: Any) -> None:
        super().__init__(sock, *options, **named)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock))


class TimedAdapter(HTTPAdapter):
    """Bounds the whole answer, headers and body, by the time-out of `send` for reads."""

    def get_connection_with_tls_context(self, *options: Any, **named: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*options, **named)
        if not issubclass(pool.ConnectionCls.response_class, _TimedResponse):
            pool.ConnectionCls = _timed(pool.ConnectionCls)
        return pool


@cache
def _timed(connection: Any) -> Any:
    """The class of connection, with answers that have a deadline."""
    return type(connection.__name__, (connection,), {"response_class": _TimedResponse})
