"""Evaluation of candles by strategies, without acting on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from foundation.times import to_time
from strategies.rules import Evaluation, Parameters
from strategies.services.closes import Closes, read_closes
from strategies.services.windows import Window


@dataclass(frozen=True, slots=True)
class EvaluatedCandle:
    """One candle as one strategy evaluated it; without an evaluation `note` says why."""

    window: Window
    open_ms: int
    revision: int  # of the candle
    evaluation: Evaluation | None
    note: str


def evaluate_windows(windows: Sequence[Window]) -> list[EvaluatedCandle]:
    """Evaluate every candle of the windows, each series in order."""
    closes = read_closes(windows)
    # Strategies that differ in their stop alone see the same averages.
    seen: dict[tuple[int, str, int, str, Parameters], tuple[Evaluation | None, str]] = {}
    evaluated = []
    for window in windows:
        series, strategy = closes[window.symbol_id, window.interval], window.strategy
        rule = strategy.kind, strategy.parameters
        for open_ms in range(window.first_ms, window.last_ms + 1, window.interval_ms):
            key = (window.symbol_id, window.interval, open_ms, *rule)
            if key not in seen:
                seen[key] = _evaluate(window, open_ms, series)
            evaluated.append(EvaluatedCandle(window, open_ms, series.revision(open_ms), *seen[key]))
    return evaluated


def _evaluate(window: Window, open_ms: int, series: Closes) -> tuple[Evaluation | None, str]:
    strategy, needed = window.strategy, window.needed
    closes = _consecutive(series.until(open_ms, needed))
    if len(closes) == needed:
        evaluation = strategy.rule.evaluate(closes, strategy.parameters)
        return evaluation, evaluation.note
    hole = to_time(open_ms - len(closes) * window.interval_ms)
    return None, (
        f"no signal: {len(closes)} candles in a row, {needed} are needed; "
        f"that of {hole:%Y-%m-%d %H:%M:%S} is missing"
    )


def _consecutive(closes: Sequence[Decimal | None]) -> list[Decimal]:
    """The closes after the last missing one, oldest first."""
    found: list[Decimal] = []
    for close in reversed(closes):
        if close is None:
            break
        found.append(close)
    return found[::-1]
