"""What evaluation left undone: candles that nobody judged, strategies that never began."""

from datetime import datetime

from django.db.models import OuterRef, Subquery

from candles.models import Candle
from foundation.times import to_ms
from market.models import Symbol
from orders.venue.exchange import Exchange
from strategies.models import Signal, StrategyState
from strategies.services.evaluation import begin, evaluate
from strategies.services.evaluator import judge_all
from strategies.services.series import Closed, Key, enabled_strategies, interval_of, watches


def catch_up(now: datetime, exchange: Exchange) -> list[Signal]:
    """Judge every candle that lies behind a strategy's state, in order.

    A strategy without a state gets one at the newest closed candle and acts from the next on.
    """
    newest = _newest_candles()
    places = _places()
    watched = watches(newest)
    new = [watch for watch in watched if watch.key not in places]
    if new:
        begin(judge_all(new))
    late = {
        (watch.symbol_id, watch.interval)
        for watch in watched
        if places.get(watch.key, watch.target_ms) < watch.target_ms
    }
    return evaluate([one for one in newest if (one.symbol_id, one.interval) in late], now, exchange)


def _newest_candles() -> list[Closed]:
    """The newest closed candle of every series that some strategy may watch."""
    newest: list[int] = []
    for interval in {interval_of(strategy) for strategy in enabled_strategies()}:
        candles = Candle.objects.filter(symbol=OuterRef("pk"), interval=interval)
        last = Subquery(candles.order_by("-open_time").values("pk")[:1])
        newest += Symbol.objects.followed().annotate(last=last).values_list("last", flat=True)
    return [Closed.of(candle) for candle in Candle.objects.filter(pk__in=newest)]


def _places() -> dict[Key, int]:
    """The open time of the candle that each strategy judged last."""
    rows = StrategyState.objects.values_list("strategy_id", "symbol_id", "interval", "open_time")
    return {(strategy, symbol, interval): to_ms(at) for strategy, symbol, interval, at in rows}
