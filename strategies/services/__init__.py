"""Services of strategies: evaluate candles, sell what hit its stop, sell all in a halt."""

from strategies.services.catch_up import catch_up
from strategies.services.daily_losses import update_daily_loss
from strategies.services.evaluation import evaluate
from strategies.services.exits import finish_exits, flatten, flatten_if_halted, stop_out
from strategies.services.protection import open_protective_stops
from strategies.services.variants import ensure_variants
from strategies.services.windows import CandleClose

__all__ = [
    "CandleClose",
    "catch_up",
    "ensure_variants",
    "evaluate",
    "finish_exits",
    "flatten",
    "flatten_if_halted",
    "open_protective_stops",
    "stop_out",
    "update_daily_loss",
]
