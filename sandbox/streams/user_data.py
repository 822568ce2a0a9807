"""The account's own events, sent to every connection subscribed to them. Source: protocol F.

Nothing is kept for who is not there: what happens meanwhile is never sent again.
"""

from collections import defaultdict
from typing import NamedTuple, Protocol

from sandbox.clock import SECOND_MS
from sandbox.wire import Json

REPORT = "executionReport"
LONGEST_HELD_MS = SECOND_MS


class Held(NamedTuple):
    """A report that waits for its successor to go first, though not for ever."""

    event: Json
    until_ms: int


class Listener(Protocol):
    """A connection of the WebSocket API."""

    def tell(self, event: Json) -> None:
        """Send an event to each of its subscriptions."""


class UserData:
    """Carries the engine's outbox to the listeners, each event once and in order but for faults."""

    def __init__(self, outbox: list[Json]) -> None:
        self.outbox = outbox
        self.listeners: set[Listener] = set()
        self._held: list[Held] = []
        self._delayed: list[tuple[int, Json]] = []  # in order of time
        self.end()

    def end(self) -> None:
        """Let nothing more go wrong; what is held back goes out with the next flush."""
        self._left: dict[str, int] = defaultdict(int)
        self._muted_until_ms = self._late_until_ms = self._late_by_ms = 0
        self._held = [Held(held.event, 0) for held in self._held]
        self._delayed = [(0, event) for _, event in self._delayed]

    def befall(self, fault: str, count: int) -> None:
        """Have a fault happen to `count` more execution reports."""
        self._left[fault] += count

    def mute(self, until_ms: int) -> None:
        """Send nothing of what happens until then."""
        self._muted_until_ms = until_ms

    def delay(self, until_ms: int, by_ms: int) -> None:
        """Send what happens until then later by so much."""
        self._late_until_ms, self._late_by_ms = until_ms, by_ms

    def flush(self, now_ms: int) -> None:
        """Send what has happened since the last time, and what was to be sent by now."""
        if not (self.outbox or self._held or self._delayed):
            return
        for event in self._altered(now_ms):
            late_ms = self._late_by_ms if self._late_until_ms > now_ms else 0
            due_ms = max(now_ms + late_ms, self._delayed[-1][0] if self._delayed else 0)
            self._delayed.append((due_ms, event))
        while self._delayed and self._delayed[0][0] <= now_ms:
            _, event = self._delayed.pop(0)
            for listener in list(self.listeners):
                listener.tell(event)

    def _altered(self, now_ms: int) -> list[Json]:
        """The outbox as faults leave it."""
        happened, found = self.outbox[:], list[Json]()
        self.outbox.clear()
        for event in [] if self._muted_until_ms > now_ms else happened:
            found += self._sent(event, now_ms)
        found += [held.event for held in self._held if held.until_ms <= now_ms]
        self._held = [held for held in self._held if held.until_ms > now_ms]
        return found

    def _sent(self, event: Json, now_ms: int) -> list[Json]:
        """What is sent of an event, with a report that was held back for it."""
        if event["e"] != REPORT:
            return [event]
        if self._takes("drop_reports"):
            return []
        if not self._held and self._takes("reorder_reports"):
            self._held.append(Held(event, now_ms + LONGEST_HELD_MS))
            return []
        copies = [event, event] if self._takes("duplicate_reports") else [event]
        before, self._held = self._held, []
        return [*copies, *(held.event for held in before)]

    def _takes(self, fault: str) -> bool:
        """Whether the fault happens now; then it happens once less."""
        if not self._left.get(fault):
            return False
        self._left[fault] -= 1
        return True

    def waiting(self) -> dict[str, int]:
        """How often each fault is still to happen."""
        return {fault: left for fault, left in self._left.items() if left}
