"""Facts about candles."""

from candles.models import Candle
from market.events import Event

candle_closed: Event[Candle] = Event("candle_closed")
