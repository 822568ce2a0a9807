"""Signatures of Binance's REST API.

Source: Binance Spot REST, "Request Security". Values are percent-encoded first, the encoded
bytes are signed, and exactly those bytes are sent: encoding twice, or after signing, gives
-1022 as soon as a value holds anything but letters, digits and `._-`.
"""

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import quote, urlencode


def encoded(parameters: Iterable[tuple[str, str]]) -> str:
    return urlencode(list(parameters), quote_via=quote, safe="")


def signature(secret: str, payload: str) -> str:
    """HMAC-SHA256 of query string and body, one directly after the other, in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed(secret: str, parameters: Iterable[tuple[str, str]]) -> str:
    payload = encoded(parameters)
    return f"{payload}&signature={signature(secret, payload)}"
