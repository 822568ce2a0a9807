"""Failures of requests to the exchange: *no*, *not now* and *no answer*.

Source: Binance Spot REST, "General API Information", "Limits" and "Error codes".
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite

import msgspec

from foundation.times import now_ms
from market.wire.bounds import DECODE_ERRORS, ErrorCode

# Documented as "execution status unknown", or as overload met on the way.
UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007, -1008})
TOO_MANY_REQUESTS, TOO_MANY_ORDERS = -1003, -1015
# 403 and 451 come from what stands before the exchange: a firewall, a restricted location.
BUSY_STATUSES = frozenset({403, 418, 429, 451})
DEFAULT_WAIT_S = {403: 60.0, 418: 120.0, 429: 60.0, 451: 300.0}  # where the answer names none
MIN_WAIT_S, MAX_WAIT_S = 1.0, 3 * 86_400.0  # the longest ban there is
BANNED_UNTIL = re.compile(r"banned until (\d{13})\b", re.ASCII)  # ms, by the exchange's clock
MAX_TEXT = 300  # of the exchange's own words


class Refused(Exception):
    """*No*: the exchange did not take the request and will not take it unchanged."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class ExchangeUnreachable(Exception):
    """No usable answer. To ask again later may help; to *send* again may do a thing twice."""

    retry_after_s = 0.0


class Busy(ExchangeUnreachable):
    """*Not now*: the request was surely not carried out; it may be sent again later."""

    def __init__(self, retry_after_s: float, message: str) -> None:
        super().__init__(f"{message}; again in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class OutcomeUnknown(ExchangeUnreachable):
    """*No answer*: the request may have been carried out. Look it up, never send it again."""


class _Error(msgspec.Struct):
    code: ErrorCode
    msg: str


_error = msgspec.json.Decoder(_Error).decode


def failure_of(
    status: int, headers: Mapping[str, str], body: bytes
) -> Refused | ExchangeUnreachable:
    """The failure in an HTTP answer other than 200: by status first, the body may not be JSON.

    The exchange's own codes are below 0. What bears another, or none, comes from something on the
    way, which does not tell whether the exchange has seen the request.
    """
    try:
        error = _error(body)
        code, text = error.code, error.msg[:MAX_TEXT]
    except DECODE_ERRORS:
        code, text = 0, ""
    if status >= 500 or code in UNKNOWN_CODES:
        return OutcomeUnknown(f"HTTP {status}: {text or 'no JSON'}")
    if status in BUSY_STATUSES or code in {TOO_MANY_REQUESTS, TOO_MANY_ORDERS}:
        wait_s = _wait_s(status, code, headers, text)
        return Busy(wait_s, text or f"rate limit reached (HTTP {status})")
    if code < 0:
        return Refused(code, text)
    if status in {401, 404, 410} and not text:
        return Refused(-status, f"HTTP {status}")
    return OutcomeUnknown(f"HTTP {status} without a code of the exchange: {text or 'no JSON'}")


def _wait_s(status: int, code: int, headers: Mapping[str, str], text: str) -> float:
    """The wait that the answer names, in its header or its text, else a careful one."""
    answered_s = _date_s(headers.get("Date", ""))
    answered_s = now_ms() / 1000 if answered_s is None else answered_s
    wait_s = _retry_after_s(headers.get("Retry-After", ""), answered_s)
    if banned := BANNED_UNTIL.search(text):
        wait_s = max(wait_s or 0.0, int(banned[1]) / 1000 - answered_s)
    if wait_s is None:
        wait_s = 1.0 if code == TOO_MANY_ORDERS else DEFAULT_WAIT_S.get(status, 1.0)
    return min(max(wait_s, MIN_WAIT_S), MAX_WAIT_S)


def _retry_after_s(text: str, answered_s: float) -> float | None:
    """Seconds, which the exchange gives, or a date, which HTTP allows; None for anything else."""
    try:
        seconds = float(text)
    except ValueError:
        until_s = _date_s(text)
        return None if until_s is None else until_s - answered_s
    return seconds if isfinite(seconds) else None


def _date_s(text: str) -> float | None:
    """Seconds since the epoch of an HTTP date; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
