"""What is done with closed candles: written down, held against the exchange's, revised."""

from candles.services.auditing import Audited, audit, series_begins_ms
from candles.services.history import (
    CaughtUp,
    Filled,
    Stretch,
    backfill,
    catch_up_history,
    first_kline_ms,
)
from candles.services.loading import Loaded, load_archive
from candles.services.prices import last_prices
from candles.services.recording import record_closed, record_history, stored_until
from candles.services.revising import add_late
from candles.services.settling import insert_missing, settle
from candles.services.verdicts import REPAIR_AFTER, Held, confirm, hold_against, missing_from

__all__ = [
    "REPAIR_AFTER",
    "Audited",
    "CaughtUp",
    "Filled",
    "Held",
    "Loaded",
    "Stretch",
    "add_late",
    "audit",
    "backfill",
    "catch_up_history",
    "confirm",
    "first_kline_ms",
    "hold_against",
    "insert_missing",
    "last_prices",
    "load_archive",
    "missing_from",
    "record_closed",
    "record_history",
    "series_begins_ms",
    "settle",
    "stored_until",
]
