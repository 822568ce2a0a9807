"""JSON as Binance spells it: decimals as text with eight places. Source: protocol D.1."""

from decimal import Decimal
from typing import Any

import orjson

Json = dict[str, Any]


def format_decimal(number: Decimal) -> str:
    """A decimal as Binance prints it: plain, eight places."""
    return f"{number:.8f}"


def encode_json(value: object) -> bytes:
    return orjson.dumps(value)
