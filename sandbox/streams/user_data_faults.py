"""Faults of the account's events, while REST stays right."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sandbox.clock import SECOND_MS
from sandbox.wire import Json

REPORT = "executionReport"
MAX_HELD_REPORT_MS = SECOND_MS


class HeldReport(NamedTuple):
    """An execution report that waits for its successor to go first, though not for ever."""

    event: Json
    until_ms: int


class UserDataFaults:
    """Execution reports still to be dropped, doubled or swapped, and times of silence or delay."""

    def __init__(self) -> None:
        self._held: list[HeldReport] = []
        self.clear()

    def clear(self) -> None:
        """Let nothing more go wrong; what is held back goes out with the next flush."""
        self._pending: dict[str, int] = defaultdict(int)
        self._muted_until_ms = self._late_until_ms = self._late_by_ms = 0
        self._held = [HeldReport(held.event, 0) for held in self._held]

    def add_fault(self, fault: str, count: int) -> None:
        """Have a fault happen to `count` more execution reports."""
        self._pending[fault] += count

    def mute_events(self, until_ms: int) -> None:
        """Send nothing of what happens until then."""
        self._muted_until_ms = until_ms

    def delay_events(self, until_ms: int, by_ms: int) -> None:
        """Send what happens until then later by so much."""
        self._late_until_ms, self._late_by_ms = until_ms, by_ms

    def delay_ms(self, now_ms: int) -> int:
        """The delay of what happens now."""
        return self._late_by_ms if self._late_until_ms > now_ms else 0

    @property
    def holds_reports(self) -> bool:
        return bool(self._held)

    def filter_events(self, events: Iterable[Json], now_ms: int) -> list[Json]:
        """The events that are sent, in their order, of those that happened."""
        found: list[Json] = []
        for event in () if self._muted_until_ms > now_ms else events:
            found += self._filter_event(event, now_ms)
        found += [held.event for held in self._held if held.until_ms <= now_ms]
        self._held = [held for held in self._held if held.until_ms > now_ms]
        return found

    def _filter_event(self, event: Json, now_ms: int) -> list[Json]:
        """An event as often as it is sent, and after it a report that was held back for it."""
        if event["e"] != REPORT:
            return [event]
        if self._consume("drop_reports"):
            return []
        if not self._held and self._consume("reorder_reports"):
            self._held.append(HeldReport(event, now_ms + MAX_HELD_REPORT_MS))
            return []
        copies = [event, event] if self._consume("duplicate_reports") else [event]
        before, self._held = self._held, []
        return [*copies, *(held.event for held in before)]

    def _consume(self, fault: str) -> bool:
        """True where the fault happens now; then it happens once less."""
        if not self._pending.get(fault):
            return False
        self._pending[fault] -= 1
        return True

    def pending(self) -> dict[str, int]:
        """The number of times that each fault is still to happen."""
        return {fault: count for fault, count in self._pending.items() if count}
