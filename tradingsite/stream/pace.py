"""Pacing of work within the stream process's turn."""

import time


class Pace:
    """Says when something done every `every_s` seconds is due again; at first it is at once."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._next_s = 0.0

    def due(self) -> bool:
        """True once in every span; the next span begins now."""
        if not self.is_due():
            return False
        self.restart()
        return True

    def is_due(self) -> bool:
        return time.monotonic() >= self._next_s

    def restart(self) -> None:
        """Begin a new span now."""
        self._next_s = time.monotonic() + self.every_s
