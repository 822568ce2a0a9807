"""Who may call: key, timestamp and signature of a request. Source: protocol D.3, J."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from sandbox.clock import MICROSECONDS_FROM
from sandbox.params import Params
from sandbox.wire import ApiError, mandatory, not_valid

SAMPLE_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SAMPLE_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"  # noqa: S105 (public)
AHEAD_MS = 1_000
DEFAULT_WINDOW, LONGEST_WINDOW = Decimal(5_000), Decimal(60_000)
KEY_FORMAT = re.compile(r"[A-Za-z0-9_-]{16,128}")
UNENCODED = re.compile(r"[^!#-;=?-Z_a-z~]")  # what may not stand in a query as it is


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of the one account there is."""

    key: str = SAMPLE_KEY
    secret: str = SAMPLE_SECRET


class Sent(NamedTuple):
    """What a request's signature is about, byte for byte, and the key in its header."""

    key: str | None
    query: str
    body: str


def signature(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def unsigned(part: str) -> str:
    """A query string or body without its `signature`, everything else byte for byte."""
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))


def check(credentials: Credentials, sent: Sent, params: Params, now_ms: int) -> None:
    """Let a signed request pass or raise -1022, -1021, -1102, -2014 or -2015."""
    signed_with = params.text("signature")
    timestamp, window = _timestamp(params), _window(params)
    _check_key(credentials, sent.key)
    _check_time(timestamp, window, now_ms)
    payload = unsigned(sent.query) + unsigned(sent.body)
    expected = signature(credentials.secret, payload)
    encoded = not UNENCODED.search(payload)
    if not (encoded and hmac.compare_digest(expected, signed_with.lower())):
        raise ApiError(-1022, "Signature for this request is not valid.")


def _timestamp(params: Params) -> int:
    """In ms; clients may send microseconds."""
    value = params.integer("timestamp")
    if value is None:
        raise mandatory("timestamp")
    return value // 1000 if value > MICROSECONDS_FROM else value


def _window(params: Params) -> Decimal:
    window = params.decimal("recvWindow")
    if window is None:
        return DEFAULT_WINDOW
    if window > LONGEST_WINDOW:
        raise not_valid("recvWindow")
    return window


def _check_key(credentials: Credentials, key: str | None) -> None:
    if key is None or not KEY_FORMAT.fullmatch(key):
        raise ApiError(-2014, "API-key format invalid.", 401)
    if not hmac.compare_digest(key, credentials.key):
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def _check_time(timestamp_ms: int, window_ms: Decimal, now_ms: int) -> None:
    if timestamp_ms >= now_ms + AHEAD_MS:
        message = "Timestamp for this request was 1000ms ahead of the server's time."
        raise ApiError(-1021, message)
    if now_ms - timestamp_ms > window_ms:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
