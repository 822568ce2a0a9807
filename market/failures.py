"""Failures of requests to the exchange: *no*, *not now* and *no answer*.

Source: Binance Spot REST, "General API Information" and "Error codes".
"""

import msgspec

# Documented as "execution status unknown", or as overload met on the way.
UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007, -1008})
TOO_MANY_REQUESTS, TOO_MANY_ORDERS = -1003, -1015
BUSY_STATUSES = frozenset({403, 418, 429})
DEFAULT_WAIT_S = {403: 60.0, 418: 120.0, 429: 60.0}  # where the answer names none


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
    code: int
    msg: str


_error = msgspec.json.Decoder(_Error).decode


def failure_of(status: int, retry_after: str | None, body: bytes) -> Refused | ExchangeUnreachable:
    """The failure in an HTTP answer other than 200: by status first, the body may not be JSON."""
    try:
        error = _error(body)
    except msgspec.MsgspecError:
        error = None
    code, text = (error.code, error.msg) if error else (0, "")
    if status >= 500 or code in UNKNOWN_CODES:
        return OutcomeUnknown(f"HTTP {status}: {text or 'no JSON'}")
    if status in BUSY_STATUSES or code in {TOO_MANY_REQUESTS, TOO_MANY_ORDERS}:
        return Busy(
            _wait_s(status, code, retry_after), text or f"rate limit reached (HTTP {status})"
        )
    if error:
        return Refused(code, text)
    if status in {401, 404, 410}:
        return Refused(-status, f"HTTP {status}")
    # A proxy's own 4xx (408, say) does not tell whether the exchange saw the request.
    return OutcomeUnknown(f"HTTP {status} without the exchange's JSON")


def _wait_s(status: int, code: int, retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:  # none, or a date, which the exchange doesn't send
        return 1.0 if code == TOO_MANY_ORDERS else DEFAULT_WAIT_S.get(status, 1.0)
