"""Tests of failures read from the exchange's answers."""

import pytest

from market.failures import Busy, ExchangeUnreachable, OutcomeUnknown, Refused, failure_of

TOO_MUCH = b'{"code": -1003, "msg": "Too much request weight used"}'
TOO_MANY = b'{"code": -1015, "msg": "Too many new orders"}'


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "wait_s"),
    [
        (429, TOO_MUCH, "7", 7),
        (418, b"", "120", 120),
        (429, b"", None, 60),
        (418, b"", None, 120),
        (403, b"<html>", "Wed, 21 Oct 2026 07:28:00 GMT", 60),
        (429, TOO_MANY, None, 1),  # a sale must not wait a minute for other orders
    ],
)
def test_a_busy_exchange_names_the_wait_or_gets_a_careful_one(
    status: int, body: bytes, retry_after: str | None, wait_s: float
) -> None:
    failure = failure_of(status, retry_after, body)
    assert isinstance(failure, Busy)
    assert failure.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (503, TOO_MUCH), (400, b'{"code": -1007, "msg": "Timeout"}'), (302, b"")],
)
def test_what_may_have_been_carried_out_is_no_answer(status: int, body: bytes) -> None:
    assert isinstance(failure_of(status, None, body), OutcomeUnknown)


def test_a_refusal_keeps_code_and_text() -> None:
    failure = failure_of(400, None, b'{"code": -1121, "msg": "Invalid symbol."}')
    assert isinstance(failure, Refused)
    assert (failure.code, failure.message) == (-1121, "Invalid symbol.")


def test_who_only_reads_need_not_tell_not_now_from_no_answer() -> None:
    assert issubclass(Busy, ExchangeUnreachable)
    assert issubclass(OutcomeUnknown, ExchangeUnreachable)
    assert not issubclass(Refused, ExchangeUnreachable)
