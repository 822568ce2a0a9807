"""Facts about signals."""

from foundation.events import Event
from strategies.models import Signal

signal_raised: Event[Signal] = Event("signal_raised")
