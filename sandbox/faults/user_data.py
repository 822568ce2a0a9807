"""Faults of the account's events; REST stays right."""

from collections.abc import Sequence
from random import Random
from typing import Self

from sandbox.faults.fault import Count, Fault, Milliseconds, Seconds, random_seconds
from sandbox.faults.targets import FaultTargets
from sandbox.wire import Json


class ReportFault(Fault):
    """Happens to the next `count` execution reports."""

    count: Count = 1

    def apply(self, targets: FaultTargets) -> Json:
        targets.user_data.faults.add_fault(self.name, self.count)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.randint(1, 5))


class DropReports(ReportFault, tag="drop_reports"):
    """They never come."""


class DuplicateReports(ReportFault, tag="duplicate_reports"):
    """They come twice."""


class ReorderReports(ReportFault, tag="reorder_reports"):
    """Each comes after its successor, or after a second without one."""


class LateReports(Fault, tag="late_reports"):
    """Events of the next `seconds` are sent `ms` later, in order."""

    seconds: Seconds
    ms: Milliseconds

    def apply(self, targets: FaultTargets) -> Json:
        targets.user_data.faults.delay_events(targets.ms_after(self.seconds), self.ms)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3), rng.randint(20, 2_000))


class UserMute(Fault, tag="user_mute"):
    """For `seconds` no event is sent, though connections answer and ping; it never comes."""

    seconds: Seconds

    def apply(self, targets: FaultTargets) -> Json:
        targets.user_data.faults.mute_events(targets.ms_after(self.seconds))
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3))
