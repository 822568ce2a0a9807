from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from foundation.rest.fields import iso
from foundation.rest.parameters import Query, TimeParameter

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
DAYS = st.datetimes(datetime(2010, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05.678Z",
        "2026-01-02T04:04:05.678+01:00",
        "2026-01-02T04:04:05.678 01:00",  # a + that a browser made a blank of
        "2026-01-02T03:04:05.678",
        "2026-01-02 03:04:05.678",
        "1767323045678",
    ],
)
def test_a_time_may_be_written_in_iso_8601_or_in_milliseconds(text: str) -> None:
    assert TimeParameter().to_internal_value(text) == AT


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "9" * 30, "-5", "1e9", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="ISO 8601"):
        TimeParameter().to_internal_value(text)


@given(DAYS)
def test_a_time_we_wrote_is_read_back_to_the_millisecond(time: datetime) -> None:
    read = TimeParameter().to_internal_value(iso(time))
    assert read == time.replace(microsecond=time.microsecond // 1000 * 1000)


def test_a_start_after_the_end_is_refused() -> None:
    class Span(Query):
        start = TimeParameter()
        end = TimeParameter()

    assert not Span(data={"start": "2", "end": "1"}).is_valid()
    assert Span(data={"start": "1", "end": "1"}).is_valid()
