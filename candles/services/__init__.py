"""Acts on closed candles: recorded, verified against the exchange's klines, revised."""

from candles.services.late_ticks import add_late_ticks
from candles.services.missing import insert_missing, missing_open_times
from candles.services.prices import last_prices
from candles.services.recording import record_closed, record_history, stored_until
from candles.services.verification import REPAIR_AFTER, Comparison, compare, confirm, verify_recent

__all__ = [
    "REPAIR_AFTER",
    "Comparison",
    "add_late_ticks",
    "compare",
    "confirm",
    "insert_missing",
    "last_prices",
    "missing_open_times",
    "record_closed",
    "record_history",
    "stored_until",
    "verify_recent",
]
