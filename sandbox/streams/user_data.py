"""The account's own events, sent to every connection subscribed to them. Source: protocol F.

Nothing is kept for who is not there: what happens meanwhile is never sent again.
"""

from typing import Protocol

from sandbox.streams.user_data_faults import UserDataFaults
from sandbox.wire import Json


class UserDataListener(Protocol):
    """A connection that is subscribed to user data."""

    def send_event(self, event: Json) -> None:
        """Send an event to each of its subscriptions."""


class UserDataStream:
    """Carries the engine's outbox to the listeners, each event once and in order but for faults."""

    def __init__(self, outbox: list[Json]) -> None:
        self.outbox = outbox
        self.faults = UserDataFaults()
        self.listeners: set[UserDataListener] = set()
        self._delayed: list[tuple[int, Json]] = []  # in order of time

    def clear_faults(self) -> None:
        """Let nothing more go wrong; what was held back or delayed goes out with the next flush."""
        self.faults.clear()
        self._delayed = [(0, event) for _, event in self._delayed]

    def flush(self, now_ms: int) -> None:
        """Send what has happened since the last time, and what was to be sent by now."""
        if not (self.outbox or self.faults.holds_reports or self._delayed):
            return
        happened = self.outbox[:]
        self.outbox.clear()
        for event in self.faults.filter_events(happened, now_ms):
            due_ms = now_ms + self.faults.delay_ms(now_ms)
            self._delayed.append((max(due_ms, self._last_due_ms), event))
        while self._delayed and self._delayed[0][0] <= now_ms:
            _, event = self._delayed.pop(0)
            for listener in list(self.listeners):
                listener.send_event(event)

    @property
    def _last_due_ms(self) -> int:
        return self._delayed[-1][0] if self._delayed else 0
