"""Comparison of one of our candles with the exchange's own kline, field by field."""

from collections.abc import Mapping
from decimal import Decimal

from candles.ohlcv import OHLCV
from foundation.decimals import plain
from market.wire.frames import KlineEvent

# What a kline tells, in the exchange's order. Source: Binance Spot REST, "Kline/Candlestick data".
FIELDS = (
    "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_volume",
    "taker_quote_volume",
)  # fmt: skip
Values = Mapping[str, Decimal | int | None]
Differences = dict[str, list[str]]


def differences(ours: Values, theirs: OHLCV | KlineEvent) -> Differences:
    """The fields in which they differ, each as [ours, theirs] in plain digits.

    What we don't know (an archive without trade counts) cannot differ.
    """
    differing: Differences = {}
    for name in FIELDS:
        mine, other = ours[name], getattr(theirs, name)
        if mine is not None and mine != other:
            differing[name] = [number_text(mine), number_text(other)]
    return differing


def number_text(value: Decimal | int) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
