"""Types of command-line arguments: `parser.add_argument("--since", type=utc_time)`."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime

from candles.intervals import INTERVALS_MS
from candles.shards import Shard
from foundation.times import to_ms


def symbol_name(text: str) -> str:
    """A symbol as the exchange spells it."""
    return text.upper()


def interval(text: str) -> str:
    """The name of an interval that candles can have."""
    if text not in INTERVALS_MS:
        raise ArgumentTypeError(f"{text}: use one of {', '.join(INTERVALS_MS)}")
    return text


def utc_time(text: str) -> int:
    """A date or an ISO 8601 time, UTC where it names no zone, in ms since the epoch."""
    try:
        time = datetime.fromisoformat(text)
        return to_ms(time if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text}: give a date or time like 2024-01-31T12:00") from None


def shard(text: str) -> Shard:
    """A share of the symbols, like 1/2."""
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
