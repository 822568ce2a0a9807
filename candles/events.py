"""Facts about candles."""

from candles.models import Candle
from foundation.events import Event

candle_closed: Event[Candle] = Event("candle_closed")
candle_revised: Event[Candle] = Event("candle_revised")  # closed before, and now different
candle_verified: Event[Candle] = Event("candle_verified")  # proven equal to the exchange's own
