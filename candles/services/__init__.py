"""What is done with closed candles: written down, held against the exchange's, revised."""

from candles.services.prices import last_prices
from candles.services.recording import record_closed, record_history, stored_until
from candles.services.revising import add_late
from candles.services.settling import insert_missing, settle
from candles.services.verification import REPAIR_AFTER, Held, confirm, hold_against, missing_from

__all__ = [
    "REPAIR_AFTER",
    "Held",
    "add_late",
    "confirm",
    "hold_against",
    "insert_missing",
    "last_prices",
    "missing_from",
    "record_closed",
    "record_history",
    "settle",
    "stored_until",
]
