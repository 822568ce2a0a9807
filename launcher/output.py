"""The launcher's output: lines of many processes, each with its time and whose it is."""

import contextlib
import itertools
import os
import queue
import select
import time
from collections.abc import Iterable
from threading import Thread

MAX_WAITING = 10_000  # lines
MAX_WAITING_BYTES = 16 * 2**20
CLOSE_WITHIN_S = 1.0
COLOURS = ("36", "33", "32", "35", "31", "34")  # ANSI: cyan yellow green magenta red blue
SYSTEM = "system"


class Output:
    """Writes whole lines to a file descriptor, from a thread of its own.

    A terminal that is held (Ctrl+S), or a pipe that nobody reads, holds nobody else up: of what
    waits beyond MAX_WAITING lines or MAX_WAITING_BYTES the newest are left out, and a line says how
    many were. What comes after the terminal was closed is lost.
    """

    def __init__(self, descriptor: int, names: Iterable[str]) -> None:
        self._descriptor = descriptor
        names = list(names)
        width = max(map(len, (SYSTEM, *names)))
        self._labels = {SYSTEM: f"{SYSTEM:{width}} | "}
        self._labels |= {name: f"{name:{width}} | " for name in names}
        self._colours = dict(zip(names, itertools.cycle(COLOURS), strict=False))
        if not os.isatty(descriptor):
            self._colours.clear()
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._left_out = 0
        # Two counts, of which each thread changes one; their difference waits.
        self._taken_bytes = self._written_bytes = 0
        self._thread = Thread(target=self._write_all, daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """A line of the launcher itself."""
        self.write(SYSTEM, text.encode())

    def write(self, name: str, text: bytes) -> None:
        """One line of the named process, or several; without the last line's end."""
        prefix = self._prefix(name)
        lines = [prefix + line + b"\n" for line in text.splitlines() or [b""]]
        if self._left_out:
            lines.insert(0, self._prefix(SYSTEM) + b"%d lines left out\n" % self._left_out)
        if self._takes(b"".join(lines)):
            self._left_out = 0
        else:
            self._left_out += 1

    def close(self) -> None:
        """Write what waits, unless that takes too long."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_WITHIN_S)
            self._thread.join(CLOSE_WITHIN_S)

    def _takes(self, lines: bytes) -> bool:
        if self._taken_bytes - self._written_bytes + len(lines) > MAX_WAITING_BYTES:
            return False
        try:
            self._waiting.put_nowait(lines)
        except queue.Full:
            return False
        self._taken_bytes += len(lines)
        return True

    def _prefix(self, name: str) -> bytes:
        prefix = f"{time.strftime('%H:%M:%S')} {self._labels[name]}"
        if colour := self._colours.get(name):
            prefix = f"\033[0m\033[{colour}m{prefix}\033[0m"
        return prefix.encode()

    def _write_all(self) -> None:
        while (lines := self._waiting.get()) is not None:
            with contextlib.suppress(OSError):  # the terminal was closed
                _write(self._descriptor, lines)
            self._written_bytes += len(lines)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # others who share it have made it so
            select.select([], [descriptor], [])
