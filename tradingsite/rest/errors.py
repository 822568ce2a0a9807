"""Error responses of the REST API: `{"error": code, "detail": text}`, whatever went wrong."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.db import IntegrityError
from redis.exceptions import RedisError
from rest_framework import status
from rest_framework.exceptions import APIException, NotAuthenticated, ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from foundation.outages import DATABASE_OUTAGES, is_damage
from market.failures import ExchangeUnreachable

OUTAGES: list[tuple[tuple[type[Exception], ...], str, str]] = [
    ((RedisError,), "redis_unavailable", "Redis does not answer; try again when /health is 200"),
    (DATABASE_OUTAGES, "database_unavailable", "the database does not answer; try again later"),
]
SIGN_IN = (
    "sign in under /admin/, or send a token as Authorization: Token …;"
    " manage.py createtoken makes one"
)
CONFLICT = "somebody else has written the same at this moment; look, and try again"
DAMAGED = "the database file is damaged; `manage.py prepare` says what helps"
MAX_QUOTED = 100  # characters of a client's value in a detail
NAMES: dict[type[Exception], str] = {ValidationError: "bad_parameter", ParseError: "bad_json"}

logger = structlog.get_logger(__name__)


def error_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The response to `error`; None for what is a fault of ours, which is raised."""
    for kinds, code, detail in OUTAGES:
        if isinstance(error, kinds):
            logger.warning("request.unanswered", part=code, error=str(error))
            return _response(status.HTTP_503_SERVICE_UNAVAILABLE, code, detail)
    if is_damage(error):
        logger.error("request.unanswered", part="database_damaged", error=str(error))
        return _response(status.HTTP_503_SERVICE_UNAVAILABLE, "database_damaged", DAMAGED)
    if isinstance(error, IntegrityError):
        logger.warning("request.conflicted", error=str(error).strip())
        return _response(status.HTTP_409_CONFLICT, "conflict", CONFLICT)
    if isinstance(error, ExchangeUnreachable):
        return _response(status.HTTP_503_SERVICE_UNAVAILABLE, "exchange_unavailable", str(error))
    response = exception_handler(error, context)
    if response is None:
        return None
    # What else is refused never had its body read: strangers' bodies cost nothing.
    given = _client_input(context["request"]) if isinstance(error, ValidationError) else {}
    detail = _text(response.data, given)
    response.data = {
        "error": _code(error, response.status_code),
        "detail": SIGN_IN if isinstance(error, NotAuthenticated) else detail,
    }
    return response


def _response(code: int, error: str, detail: str) -> Response:
    return Response({"error": error, "detail": detail}, status=code)


def _code(error: Exception, status_code: int) -> str:
    if type(error) in NAMES:
        return NAMES[type(error)]
    if isinstance(error, APIException) and isinstance(codes := error.get_codes(), str):
        return codes
    return "not_found" if status_code == status.HTTP_404_NOT_FOUND else "permission_denied"


def _client_input(request: Request) -> dict[str, Any]:
    """The client's parameters and body, by name, to be quoted in the error."""
    try:
        body = request.data
    except APIException:  # unreadable, which is what is being answered
        body = {}
    return {**request.query_params.dict(), **(body if isinstance(body, Mapping) else {})}


def _text(detail: Any, given: Mapping[str, Any]) -> str:
    """One line; a parameter is named with the value that was given."""
    if isinstance(detail, list):
        return " ".join(_text(item, {}) for item in detail)
    if not isinstance(detail, dict):
        return str(detail)
    if set(detail) == {"detail"}:
        return _text(detail["detail"], {})
    return "; ".join(
        f"{name}={_quoted(given[name])}: {_text(text, {})}" if name in given else _named(name, text)
        for name, text in detail.items()
    )


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"


def _named(name: str, text: Any) -> str:
    words = _text(text, {})
    return words if name == "non_field_errors" else f"{name}: {words}"
