"""Events of strategies."""

from foundation.events import Event
from strategies.models import Signal

signal_raised: Event[Signal] = Event("signal_raised")
