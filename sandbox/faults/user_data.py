"""Faults of what user data carries; REST stays right."""

from collections.abc import Sequence
from random import Random
from typing import Self

from sandbox.faults.fault import Count, Fault, Milliseconds, Seconds, seconds
from sandbox.faults.targets import Places
from sandbox.wire import Json


class ReportFault(Fault):
    """Befalls the next `count` execution reports."""

    count: Count = 1

    def strike(self, at: Places) -> Json:
        at.user_data.faults.add_fault(str(self.__struct_config__.tag), self.count)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(draw.randint(1, 5))


class DropReports(ReportFault, tag="drop_reports"):
    """They never come."""


class DuplicateReports(ReportFault, tag="duplicate_reports"):
    """They come twice."""


class ReorderReports(ReportFault, tag="reorder_reports"):
    """Each comes after its successor, or after a second without one."""


class LateReports(Fault, tag="late_reports"):
    """What happens in the next `seconds` is told `ms` later, in order."""

    seconds: Seconds
    ms: Milliseconds

    def strike(self, at: Places) -> Json:
        at.user_data.faults.delay_events(at.in_seconds(self.seconds), self.ms)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3), draw.randint(20, 2_000))


class UserMute(Fault, tag="user_mute"):
    """For `seconds` no event is sent, though connections answer and ping; it never comes."""

    seconds: Seconds

    def strike(self, at: Places) -> Json:
        at.user_data.faults.mute_events(at.in_seconds(self.seconds))
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3))
