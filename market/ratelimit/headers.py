"""Headers of the exchange's answers that tell what it has counted.

Source: Binance Spot REST, "Limits".
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
ORDER_COUNT = "X-MBX-ORDER-COUNT-"  # and the span: 10S, 1D
UNITS = {86_400: "D", 3_600: "H", 60: "M", 1: "S"}


def used_weight(headers: Mapping[str, str]) -> int | None:
    """Weight that the exchange has counted in its current minute; None where it doesn't say."""
    return _count(headers, USED_WEIGHT)


def order_count(headers: Mapping[str, str], span_s: int) -> int | None:
    """Orders that the exchange has counted in its current span; None where it doesn't say."""
    unit = next(unit for unit in UNITS if span_s % unit == 0)
    return _count(headers, f"{ORDER_COUNT}{span_s // unit}{UNITS[unit]}")


def sent_s(headers: Mapping[str, str]) -> int:
    """Seconds since the epoch when the exchange answered. Raises ValueError without a date."""
    return int(parsedate_to_datetime(headers.get("Date", "")).timestamp())


def _count(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if COUNT.fullmatch(text) else None
