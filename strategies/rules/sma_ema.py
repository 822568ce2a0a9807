"""The rule `sma_ema`: buy and sell where an EMA crosses an SMA."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from foundation.decimals import plain
from market.ticks import Side
from strategies.indicators import EMA_WINDOW, ema, sma


@dataclass(frozen=True, slots=True)
class Parameters:
    """Periods of both averages, in candles."""

    sma_period: int
    ema_period: int


@dataclass(frozen=True, slots=True)
class Averages:
    """Both averages at one closed candle, in quote asset."""

    sma: Decimal
    ema: Decimal


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A closed candle as the rule sees it: its averages, those one candle before, the signal."""

    close: Decimal
    previous: Averages
    current: Averages
    side: Side | None

    @property
    def note(self) -> str:
        """The reason why it did, or did nothing, in words for the page."""
        fast, slow = plain(self.current.ema), plain(self.current.sma)
        if self.side is Side.BUY:
            return f"BUY: EMA {fast} crossed above SMA {slow}"
        if self.side is Side.SELL:
            return f"SELL: EMA {fast} crossed below SMA {slow}"
        return f"no cross: EMA {fast}, SMA {slow}"


def history_needed(parameters: Parameters) -> int:
    """The number of closes that a crossover needs: both averages, now and one candle before."""
    return max(parameters.sma_period, EMA_WINDOW * parameters.ema_period) + 1


def crossover(previous: Averages, current: Averages) -> Side | None:
    """BUY where the EMA crosses above the SMA, SELL where it crosses below.

    An EMA that touched the SMA and leaves it has crossed; one that only touches has not.
    """
    if previous.ema <= previous.sma and current.ema > current.sma:
        return Side.BUY
    if previous.ema >= previous.sma and current.ema < current.sma:
        return Side.SELL
    return None


def evaluate(closes: Sequence[Decimal], parameters: Parameters) -> Evaluation:
    """Evaluate the newest of `closes`, oldest first and without a hole.

    Raises ValueError where there are fewer than `history_needed`.
    """
    needed = history_needed(parameters)
    if len(closes) < needed:
        raise ValueError(f"{needed} closes are needed, got {len(closes)}")
    previous, current = _averages(closes[:-1], parameters), _averages(closes, parameters)
    return Evaluation(closes[-1], previous, current, crossover(previous, current))


def _averages(closes: Sequence[Decimal], parameters: Parameters) -> Averages:
    return Averages(sma(closes, parameters.sma_period), ema(closes, parameters.ema_period))
