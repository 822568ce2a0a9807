"""Signatures of Binance's REST API and, otherwise made, of its WebSocket API.

Source: Binance Spot REST, "Request Security". Values are percent-encoded first, the encoded
bytes are signed, and exactly those bytes are sent: encoding twice, or after signing, gives
-1022 as soon as a value holds anything but letters, digits and `._-`.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode


def encoded(parameters: Iterable[tuple[str, str]]) -> str:
    return urlencode(list(parameters), quote_via=quote, safe="")


def signature(secret: str, payload: str) -> str:
    """HMAC-SHA256 of query string and body, one directly after the other, in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed(secret: str, parameters: Iterable[tuple[str, str]]) -> str:
    payload = encoded(parameters)
    return f"{payload}&signature={signature(secret, payload)}"


def signed_request(secret: str, parameters: Mapping[str, str | int]) -> dict[str, str | int]:
    """The parameters of a request over the WebSocket API, with their signature.

    There they are sorted by name and signed as they are, never percent-encoded. Source: Binance
    Spot WebSocket API, "SIGNED request security".
    """
    payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return {**parameters, "signature": signature(secret, payload)}
