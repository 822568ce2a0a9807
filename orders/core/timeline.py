"""Timeline of an order, from the tick that led to it to its last fill, and its latencies."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Any


class Step(StrEnum):
    """In their order. TRADED and FILLED are times of the exchange's clock, the others of ours."""

    TRADED = "traded"  # the tick that closed the candle or hit the stop
    RECEIVED = "received"  # that tick, by the stream process
    CLOSED = "closed"  # the candle, and committed
    EVALUATED = "evaluated"  # what was to be done is decided
    COMMITTED = "committed"  # the order, claimed for sending
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"  # the exchange's answer is here
    FILLED = "filled"  # the last trade


Timeline = Mapping[str, int]  # milliseconds since the epoch by step, as far as they are known
TOTAL = "total"
# From which step to which each duration goes.
DURATIONS: dict[str, tuple[Step, Step]] = {
    **{after.value: (before, after) for before, after in pairwise(Step)},
    Step.FILLED: (Step.SENT, Step.FILLED),  # before the answer is here
    TOTAL: (Step.RECEIVED, Step.SENT),
}
PERCENTILES = (50, 90, 99)


def known_steps(steps: Mapping[Step, int | None]) -> dict[str, int]:
    return {step.value: at_ms for step, at_ms in steps.items() if at_ms is not None}


def latency(timelines: Iterable[Timeline]) -> dict[str, dict[str, int | None]]:
    """Durations between the steps, in ms: of each duration the number measured and percentiles.

    Durations from or to a time of the exchange's are off by the difference of the clocks.
    """
    took: dict[str, list[int]] = {name: [] for name in DURATIONS}
    for timeline in timelines:
        for name, (start, end) in DURATIONS.items():
            if start in timeline and end in timeline:
                took[name].append(timeline[end] - timeline[start])
    return {name: _figures(sorted(values)) for name, values in took.items()}


def _figures(ordered: list[int]) -> dict[str, Any]:
    """Percentiles by nearest rank; None where nothing was measured."""
    count = len(ordered)
    ranks = {f"p{p}": -(-p * count // 100) - 1 for p in PERCENTILES}
    return {"measured": count, **{p: ordered[at] if count else None for p, at in ranks.items()}}
