"""Catching up with what was not evaluated: missed candles, strategies that are new."""

from datetime import datetime

from candles.models import Candle
from orders.venue.exchange import Exchange
from strategies.models import Signal, StrategyState
from strategies.services.evaluation import evaluate, start_series
from strategies.services.evaluator import evaluate_windows
from strategies.services.windows import CandleClose, enabled_strategies, interval_of, windows_of


def catch_up(now: datetime, exchange: Exchange) -> list[Signal]:
    """Evaluate every candle that lies behind a strategy's state, in order.

    A strategy without a state gets one at the newest closed candle and acts from the next on.
    """
    newest = _newest_candles()
    offsets = StrategyState.objects.offsets()
    windows = windows_of(newest)
    new = [window for window in windows if window.key not in offsets]
    if new:
        start_series(evaluate_windows(new))
    late = {
        (window.symbol_id, window.interval)
        for window in windows
        if offsets.get(window.key, window.target_ms) < window.target_ms
    }
    return evaluate([one for one in newest if (one.symbol_id, one.interval) in late], now, exchange)


def _newest_candles() -> list[CandleClose]:
    """The newest closed candle of every series that some strategy may trade."""
    newest: list[int] = []
    for interval in {interval_of(strategy) for strategy in enabled_strategies()}:
        newest += Candle.objects.newest_keys(interval)
    return [CandleClose.from_candle(candle) for candle in Candle.objects.filter(pk__in=newest)]
