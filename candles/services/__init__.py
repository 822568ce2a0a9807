"""What is done with closed candles: written down, held against the exchange's, revised."""

from candles.services.recording import record_closed, record_history, stored_until
from candles.services.revising import add_late
from candles.services.verdicts import REPAIR_AFTER, Held, confirm, hold_against, missing_from

__all__ = [
    "REPAIR_AFTER",
    "Held",
    "add_late",
    "confirm",
    "hold_against",
    "missing_from",
    "record_closed",
    "record_history",
    "stored_until",
]
