"""Validation of a strategy's parameters, the same for the admin and for REST."""

from collections.abc import Mapping, Sequence
from typing import Any

MAX_PERIOD = 1000


def wrong_parameters(given: Mapping[str, Any], intervals: Sequence[str]) -> dict[str, str]:
    """The errors in the parameters in `given`, by name; none of them has to be there.

    `intervals` are those that candles are recorded for; an empty one stands for their first.
    """
    wrong: dict[str, str] = {}
    for name in ("sma_period", "ema_period"):
        if name in given and not 1 <= given[name] <= MAX_PERIOD:
            wrong[name] = f"use a whole number from 1 to {MAX_PERIOD}"
    if "stop_loss" in given and not 0 < given["stop_loss"] < 1:
        wrong["stop_loss"] = "use a fraction above 0 and below 1; 0.15 sells 15 % below the entry"
    if given.get("interval") and given["interval"] not in intervals:
        wrong["interval"] = f"no candles are recorded for it; INTERVALS is {', '.join(intervals)}"
    return wrong
