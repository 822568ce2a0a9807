"""Query parameters of REST endpoints: validated once, refused by name where they are wrong."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from foundation.times import to_time

TIME_ALLOWED = "use ISO 8601, as 2026-01-02T03:04:05Z, or milliseconds since the epoch"


@extend_schema_field({"type": "string", "example": "2026-01-02T03:04:05.678Z"})
class TimeParameter(serializers.Field[datetime, str, str, Any]):
    """ISO 8601, in UTC where it names no zone, or milliseconds since the epoch."""

    default_error_messages = {"invalid": f"not a time; {TIME_ALLOWED}"}

    def to_internal_value(self, data: str) -> datetime:
        try:
            if data.isdecimal():
                return to_time(int(data))
            # A + that was not written as %2B arrives as a blank.
            time = datetime.fromisoformat(data.replace(" ", "+") if "T" in data else data)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail("invalid")


class IntegerParameter(serializers.IntegerField):
    """A whole number in digits, between two bounds. Django REST framework also takes `1.0`."""

    def __init__(self, *, min_value: int, max_value: int, **options: Any) -> None:
        allowed = f"use a whole number from {min_value} to {max_value}"
        messages: dict[str, Any] = dict.fromkeys(("invalid", "min_value", "max_value"), allowed)
        super().__init__(
            min_value=min_value, max_value=max_value, error_messages=messages, **options
        )

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not re.fullmatch(r"-?\d{1,19}", str(data), re.ASCII):
            self.fail("invalid")
        return int(data)


class ChoiceParameter(serializers.ChoiceField):
    """One of a few words; the refusal lists them."""

    def __init__(self, words: Iterable[str], **options: Any) -> None:
        words = list(words)
        super().__init__(choices=words, **options)
        self.error_messages["invalid_choice"] = f"use one of {', '.join(words)}"


class Query(serializers.Serializer[dict[str, Any]]):
    """Query parameters of an endpoint. One that it does not know is refused, not ignored:
    a misspelt filter must not answer with everything.
    """

    @classmethod
    def validate_request(cls, request: Request) -> dict[str, Any]:
        """The validated parameters of `request`. Raises ValidationError, which answers 400."""
        query = cls(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        given: dict[str, Any] = query.validated_data
        return given

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        for name in self.initial_data:
            if name not in self.fields:
                known = ", ".join(self.fields) or "none"
                raise serializers.ValidationError({name: f"no such parameter; there are {known}"})
        if "start" in given and "end" in given and given["start"] > given["end"]:
            raise serializers.ValidationError({"start": "lies after end"})
        return given


class PagedQuery(Query):
    """A page of a list that grows, newest first."""

    limit = IntegerParameter(min_value=1, max_value=1000, default=100, help_text="Rows on a page.")
    cursor = serializers.CharField(
        required=False, help_text="From `next` or `previous` of another page."
    )


def filters(given: dict[str, Any], **columns: str) -> dict[str, Any]:
    """ORM filters for the parameters that were given: `columns` names the column of each."""
    return {column: given[name] for name, column in columns.items() if name in given}
