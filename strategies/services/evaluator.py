"""Each candle as each strategy judges it; nothing is acted on here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from foundation.times import to_time
from strategies.rules.sma_ema import Judgement, judge
from strategies.services.series import Closes, Watch, read_closes


@dataclass(frozen=True, slots=True)
class Judged:
    """One candle as one strategy judged it; without a judgement `note` says why."""

    watch: Watch
    open_ms: int
    revision: int  # of the candle
    judgement: Judgement | None
    note: str


def judge_all(watches: Sequence[Watch]) -> list[Judged]:
    """Judge every candle that is watched for, each series in order."""
    closes = read_closes(watches)
    # Strategies that differ in their stop alone see the same averages.
    seen: dict[tuple[int, str, int, int, int], tuple[Judgement | None, str]] = {}
    judged = []
    for watch in watches:
        series, strategy = closes[watch.symbol_id, watch.interval], watch.strategy
        for open_ms in range(watch.first_ms, watch.last_ms + 1, watch.interval_ms):
            candle = watch.symbol_id, watch.interval, open_ms
            like = (*candle, strategy.sma_period, strategy.ema_period)
            if like not in seen:
                seen[like] = _judge(watch, open_ms, series)
            judged.append(Judged(watch, open_ms, series.revision(open_ms), *seen[like]))
    return judged


def _judge(watch: Watch, open_ms: int, series: Closes) -> tuple[Judgement | None, str]:
    window = series.until(open_ms, watch.needed)
    closes = _newest_run(window)
    if len(closes) == watch.needed:
        judgement = judge(closes, watch.strategy.sma_period, watch.strategy.ema_period)
        return judgement, judgement.note
    hole = to_time(open_ms - len(closes) * watch.interval_ms)
    return None, (
        f"no signal: {len(closes)} candles in a row, {watch.needed} are needed; "
        f"that of {hole:%Y-%m-%d %H:%M:%S} is missing"
    )


def _newest_run(window: Sequence[Decimal | None]) -> list[Decimal]:
    """The closes after the last missing one, oldest first."""
    run: list[Decimal] = []
    for close in reversed(window):
        if close is None:
            break
        run.append(close)
    return run[::-1]
