"""Authentication of requests: key, timestamp and signature. Source: protocol D.3, J."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from sandbox.api.params import RequestParams
from sandbox.clock import MIN_MICROSECONDS
from sandbox.config import Credentials
from sandbox.errors import ApiError, invalid_parameter, missing_parameter

SIGNATURE_PARAMETERS = ("timestamp", "recvWindow", "signature")
MAX_AHEAD_MS = 1_000
DEFAULT_RECV_WINDOW_MS, MAX_RECV_WINDOW_MS = Decimal(5_000), Decimal(60_000)
KEY_FORMAT = re.compile(r"[A-Za-z0-9_-]{16,128}")
UNENCODED = re.compile(r"[^!#-;=?-Z_a-z~]")  # characters that a query must encode


class RequestSignature(Protocol):
    """The parts of a request that its signature is checked by."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that belong to the signature."""

    @property
    def key(self) -> str | None: ...

    @property
    def payload(self) -> str | None:
        """The text that was to be signed; None where it is encoded such that no signature holds."""


@dataclass(frozen=True, slots=True)
class HttpSignature:
    """Signature of a REST request: over query string and body as sent, one after the other."""

    key: str | None
    query: str
    body: str
    parameters: tuple[str, ...] = SIGNATURE_PARAMETERS

    @property
    def payload(self) -> str | None:
        payload = without_signature(self.query) + without_signature(self.body)
        return None if UNENCODED.search(payload) else payload


@dataclass(frozen=True, slots=True)
class ParamsSignature:
    """Signature over WebSocket: over all parameters in order of name. Source: protocol G.2."""

    params: RequestParams
    parameters: tuple[str, ...] = (*SIGNATURE_PARAMETERS, "apiKey")

    @property
    def key(self) -> str | None:
        return self.params.text("apiKey")

    @property
    def payload(self) -> str | None:
        pairs = sorted(pair for pair in self.params.items() if pair[0] != "signature")
        return "&".join(f"{name}={value}" for name, value in pairs)


def sign(secret: str, payload: str) -> str:
    """The HMAC SHA256 of a payload, in hexadecimal digits."""
    return hmac.new(secret.encode(), payload.encode(errors="replace"), hashlib.sha256).hexdigest()


def without_signature(part: str) -> str:
    """A query string or body without its `signature`, everything else byte for byte."""
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))


def check_signature(
    credentials: Credentials, signature: RequestSignature, params: RequestParams, now_ms: int
) -> None:
    """Raise -1022, -1021, -1102, -2014 or -2015 where a signed request may not pass."""
    signed_with = params.text("signature")
    timestamp, window = _timestamp(params), _recv_window(params)
    _check_key(credentials, signature.key)
    _check_time(timestamp, window, now_ms)
    payload = signature.payload
    expected = "" if payload is None else sign(credentials.secret, payload)
    if not hmac.compare_digest(expected.encode(), signed_with.lower().encode(errors="replace")):
        raise ApiError(-1022, "Signature for this request is not valid.")


def check_age(params: RequestParams, now_ms: int) -> None:
    """Raise -1021 where a signed request has become too old for the engine."""
    if now_ms - _timestamp(params) > _recv_window(params):
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _timestamp(params: RequestParams) -> int:
    """The timestamp in ms; clients may send microseconds."""
    value = params.integer("timestamp")
    if value is None:
        raise missing_parameter("timestamp")
    return value // 1000 if value > MIN_MICROSECONDS else value


def _recv_window(params: RequestParams) -> Decimal:
    window = params.decimal("recvWindow")
    if window is None:
        return DEFAULT_RECV_WINDOW_MS
    if window > MAX_RECV_WINDOW_MS:
        raise invalid_parameter("recvWindow")
    return window


def _check_key(credentials: Credentials, key: str | None) -> None:
    if key is None or not KEY_FORMAT.fullmatch(key):
        raise ApiError(-2014, "API-key format invalid.", 401)
    if not hmac.compare_digest(key, credentials.key):
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def _check_time(timestamp_ms: int, window_ms: Decimal, now_ms: int) -> None:
    if timestamp_ms >= now_ms + MAX_AHEAD_MS:
        message = "Timestamp for this request was 1000ms ahead of the server's time."
        raise ApiError(-1021, message)
    if now_ms - timestamp_ms > window_ms:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
