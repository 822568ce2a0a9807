"""Facts about candles."""

from dataclasses import dataclass

from candles.models import Candle
from candles.ohlcv import ClosingTick
from foundation.events import Event


@dataclass(frozen=True, slots=True)
class ClosedCandle:
    """A candle new in the database. `cause` is None where proof of silence closed it, no tick."""

    candle: Candle
    cause: ClosingTick | None = None


candle_closed: Event[ClosedCandle] = Event("candle_closed")
candle_revised: Event[Candle] = Event("candle_revised")  # closed before, and now different
candle_verified: Event[Candle] = Event("candle_verified")  # proven equal to the exchange's own
