"""JSON spelling of values: exact decimals as plain digits, times as ISO 8601 in UTC."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from foundation.decimals import plain
from foundation.times import to_time

Json = dict[str, Any]


def iso(time: datetime) -> str:
    """`time` as 2026-01-02T03:04:05.678Z; an aware time of any zone."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"


def iso_ms(time_ms: int) -> str:
    """The same for milliseconds since the epoch."""
    return iso(to_time(time_ms))


def iso_or_null(time: datetime | None) -> str | None:
    return None if time is None else iso(time)


def plain_or_null(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


@extend_schema_field({"type": "string", "format": "decimal", "example": "61837.63"})
class DecimalText(serializers.CharField):
    """An exact decimal, written in plain digits."""


@extend_schema_field(
    {"type": "string", "format": "date-time", "example": "2026-01-02T03:04:05.678Z"}
)
class TimeText(serializers.CharField):
    """A time in UTC, with milliseconds."""
