"""JSON bodies of REST requests, read within bounds: small, shallow, UTF-8."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 8  # our own bodies have two levels


class BodyTooLong(APIException):
    """The body is larger than any request of ours can be; answered with 413."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = f"the body is longer than {MAX_BODY_BYTES} bytes"


class JsonParser(BaseParser):
    """A JSON body of at most MAX_BODY_BYTES, nested at most MAX_DEPTH deep.

    Raises BodyTooLong, or ParseError (400) for what is no JSON in UTF-8. The charset that the
    request's content type names does not count: JSON has only one.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLong
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"the body is no JSON in UTF-8: {error}") from None
        if _is_deeper(value, MAX_DEPTH):
            raise ParseError(f"the body is nested more than {MAX_DEPTH} deep")
        return value


def _is_deeper(value: Any, levels: int) -> bool:
    """True where lists and objects are nested in `value` more than `levels` deep."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [inner for one in layer for inner in _items(one)]
    return bool(layer)


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
