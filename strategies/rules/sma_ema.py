"""When a strategy buys and sells: the one brain of live, replay and backtest."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from foundation.decimals import plain
from market.ticks import Side
from strategies.indicators import ema, history_needed, sma


@dataclass(frozen=True, slots=True)
class Averages:
    """Both averages at one closed candle, in quote asset."""

    sma: Decimal
    ema: Decimal


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a strategy makes of one closed candle, and of the one before it."""

    close: Decimal
    previous: Averages
    current: Averages
    side: Side | None

    @property
    def note(self) -> str:
        """Why it did, or did nothing, in words for the page."""
        fast, slow = plain(self.current.ema), plain(self.current.sma)
        if self.side is Side.BUY:
            return f"BUY: EMA {fast} crossed above SMA {slow}"
        if self.side is Side.SELL:
            return f"SELL: EMA {fast} crossed below SMA {slow}"
        return f"no cross: EMA {fast}, SMA {slow}"


def crossover(previous: Averages, current: Averages) -> Side | None:
    """BUY where the EMA crosses above the SMA, SELL where it crosses below.

    An EMA that touched the SMA and leaves it has crossed; one that only touches has not.
    """
    if previous.ema <= previous.sma and current.ema > current.sma:
        return Side.BUY
    if previous.ema >= previous.sma and current.ema < current.sma:
        return Side.SELL
    return None


def judge(closes: Sequence[Decimal], sma_period: int, ema_period: int) -> Judgement:
    """Judge the newest of `closes`, oldest first and without a hole.

    Raises ValueError where there are fewer than `history_needed`.
    """
    needed = history_needed(sma_period, ema_period)
    if len(closes) < needed:
        raise ValueError(f"{needed} closes are needed, got {len(closes)}")
    before = closes[:-1]
    previous = Averages(sma(before, sma_period), ema(before, ema_period))
    current = Averages(sma(closes, sma_period), ema(closes, ema_period))
    return Judgement(closes[-1], previous, current, crossover(previous, current))
