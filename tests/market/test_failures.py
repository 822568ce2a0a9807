"""Tests of failures read from the exchange's answers."""

import pytest

from market.failures import Busy, ExchangeUnreachable, OutcomeUnknown, Refused, failure_of

TOO_MUCH = b'{"code": -1003, "msg": "Too much request weight used"}'
# Seven minutes after the date of the answers below.
BANNED = (
    b'{"code": -1003, "msg": "Way too much request weight used; IP banned until 1792568100000."}'
)
TOO_MANY = b'{"code": -1015, "msg": "Too many new orders"}'


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "wait_s"),
    [
        (429, TOO_MUCH, "7", 7),
        (418, b"", "120", 120),
        (429, b"", None, 60),
        (418, b"", None, 120),
        (403, b"<html>", "Wed, 21 Oct 2026 07:30:00 GMT", 120),  # the answer is of 07:28:00
        (403, b"<html>", "Wed, 21 Oct 2020 07:30:00 GMT", 1),
        (429, TOO_MUCH, "soon", 60),
        (429, TOO_MUCH, "0", 1),
        (429, TOO_MUCH, "-5", 1),
        (429, TOO_MUCH, "nan", 60),
        (429, TOO_MUCH, "inf", 60),
        (418, b"", "1e400", 120),
        (418, b"", "1e300", 259_200),
        (418, BANNED, None, 420),
        (418, BANNED, "7", 420),
        (400, BANNED, None, 420),
        (451, b'{"code": 0, "msg": "Service unavailable from a restricted location"}', None, 300),
        (429, TOO_MANY, None, 1),  # a sale must not wait a minute for other orders
    ],
)
def test_a_busy_exchange_names_the_wait_or_gets_a_careful_one(
    status: int, body: bytes, retry_after: str | None, wait_s: float
) -> None:
    headers = {"Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    failure = failure_of(status, headers, body)
    assert isinstance(failure, Busy)
    assert failure.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (503, TOO_MUCH),
        (400, b'{"code": -1007, "msg": "Timeout"}'),
        (302, b""),
        (400, b'{"code": 0, "msg": "No idea"}'),
        (404, b'{"code": 0, "msg": "not here"}'),
        (400, b'{"code": 200, "msg": "OK"}'),
        (400, b'{"msg": "no code"}'),
        (400, b'{"code": ' + b"9" * 5000 + b"}"),
        (400, b"[" * 60_000),
        (400, b"\xff\xfe"),
    ],
)
def test_what_may_have_been_carried_out_is_no_answer(status: int, body: bytes) -> None:
    assert isinstance(failure_of(status, {}, body), OutcomeUnknown)


def test_a_code_of_too_many_digits_is_none_of_the_exchange() -> None:
    failure = failure_of(400, {}, b'{"code": -%s, "msg": ""}' % (b"1" * 1000))
    assert isinstance(failure, OutcomeUnknown)
    assert len(str(failure)) < 100


def test_a_refusal_keeps_code_and_text() -> None:
    failure = failure_of(400, {}, b'{"code": -1121, "msg": "Invalid symbol."}')
    assert isinstance(failure, Refused)
    assert (failure.code, failure.message) == (-1121, "Invalid symbol.")


def test_who_only_reads_need_not_tell_not_now_from_no_answer() -> None:
    assert issubclass(Busy, ExchangeUnreachable)
    assert issubclass(OutcomeUnknown, ExchangeUnreachable)
    assert not issubclass(Refused, ExchangeUnreachable)
