"""Bounds of what the exchange can say: each value from outside is held against them once.

Decoders annotate their fields with the types below, which msgspec checks while it decodes, and
hold decimals against `is_amount` or `is_positive` before anything is computed with them. What
lies outside is damage and raises BadFrame, whichever decoder finds it; nothing of it is folded,
booked or believed. The bounds are wide: ten thousand times what was ever seen, yet small enough
for our columns and for exact arithmetic.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import Annotated, Any, TypeVar

import msgspec

from foundation.decimals import EXACT, ZERO, is_bounded

T = TypeVar("T")

MAX_ID = 2**63 - 1  # our columns are as wide
MAX_COUNT = 2**31 - 1
# The exchange opened in 2017, and microseconds lie beyond the year 2286.
MIN_TIME_MS, MAX_TIME_MS = 10**12, 10**13 - 1
# A trade has a time of the exchange's clock, which we know to half a round trip.
MAX_AHEAD_MS = 10_000
MAX_FRAME_BYTES = 1 << 20
MAX_ANSWER_BYTES = 16 << 20

Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]
IdOrNone = Annotated[int, msgspec.Meta(ge=-1, le=MAX_ID)]  # -1 where there is none
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
ErrorCode = Annotated[int, msgspec.Meta(ge=-MAX_COUNT, le=MAX_COUNT)]
TimeMs = Annotated[int, msgspec.Meta(ge=MIN_TIME_MS, le=MAX_TIME_MS)]
AnyTimeMs = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]
SymbolName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Asset = Annotated[str, msgspec.Meta(max_length=20)]
ClientOrderId = Annotated[str, msgspec.Meta(max_length=64)]
Word = Annotated[str, msgspec.Meta(max_length=40)]  # a status, a type, an interval
Text = Annotated[str, msgspec.Meta(max_length=2_000)]  # for people


class BadFrame(ValueError):
    """Damage: a frame, an answer or a row of it that is not what the exchange documents.

    Its text quotes the beginning of what came.
    """


# What msgspec raises for damaged text; bad UTF-8 and too many brackets come as they are.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def is_amount(value: Decimal) -> bool:
    """True for a price, quantity or fee that can be: finite, not negative, of bounded digits."""
    return is_bounded(value) and value >= 0


def is_positive(value: Decimal) -> bool:
    """True for an amount above 0."""
    return is_bounded(value) and value > 0


def are_positive(values: Sequence[Decimal]) -> bool:
    """True where all are surely positive amounts; at least one. False says nothing.

    The sum of positive numbers lies above each of them, and keeps the places of the one with
    most: what would not fit raises. So bounds that hold for the sum hold for all.
    """
    try:
        with localcontext(EXACT):
            return min(values) > 0 and is_bounded(sum(values, ZERO))
    except ArithmeticError:  # no number, or too many digits
        return False


def check(valid: bool, what: str) -> None:
    """Raise BadFrame unless `valid`."""
    if not valid:
        raise BadFrame(what)


def check_amounts(**amounts: Decimal) -> None:
    """Raise BadFrame for the first that is no amount."""
    for name, value in amounts.items():
        check(is_amount(value), f"{name} {shown(value)} is out of bounds")


def check_positive(**amounts: Decimal) -> None:
    """Raise BadFrame for the first that is not above 0."""
    for name, value in amounts.items():
        check(is_positive(value), f"{name} {shown(value)} is out of bounds")


def shown(value: Any) -> str:
    """A value for a message, cut to what a line bears; its digits are never written out."""
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def decode(decoder: Callable[[bytes], T], body: bytes, what: str) -> T:
    """`body` decoded. Raises BadFrame, with the beginning of what is not `what`."""
    try:
        return decoder(body)
    except DECODE_ERRORS as error:
        raise BadFrame(f"not {what}: {body[:200]!r}") from error
