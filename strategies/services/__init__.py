"""What strategies do: judge candles, sell what hit its stop, sell everything in a halt."""

from strategies.services.catch_up import catch_up
from strategies.services.daily_losses import watch_losses
from strategies.services.evaluation import evaluate
from strategies.services.exits import finish_exits, flatten, flatten_if_halted, stop_out
from strategies.services.protection import guard
from strategies.services.series import Closed
from strategies.services.variants import ensure_variants

__all__ = [
    "Closed",
    "catch_up",
    "ensure_variants",
    "evaluate",
    "finish_exits",
    "flatten",
    "flatten_if_halted",
    "guard",
    "stop_out",
    "watch_losses",
]
