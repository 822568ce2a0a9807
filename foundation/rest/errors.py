"""Error responses of REST endpoints, for the schema."""

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from foundation.rest.fields import Json


class ErrorSerializer(serializers.Serializer[Json]):
    """Error that every endpoint answers where it cannot do what it was asked."""

    error = serializers.CharField(help_text="A code that programs may rely on.")
    detail = serializers.CharField(help_text="One line for people: what was wrong, what is right.")


DESCRIPTIONS = {
    400: "A parameter is wrong; `detail` names it.",
    401: "Not signed in.",
    403: "Signed in, but not as staff with that permission, or without the CSRF token.",
    404: "There is no such symbol or row.",
    409: "It contradicts what is there.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    429: "Too many wrong passwords or tokens from there; `Retry-After` says how long.",
    503: "Redis, the database or the exchange does not answer; `error` says which.",
}


def error_responses(*statuses: int) -> dict[int, OpenApiResponse]:
    """Error responses of an endpoint, for the schema. Any read may need a sign-in (PUBLIC_READ)."""
    return {
        status: OpenApiResponse(ErrorSerializer, DESCRIPTIONS[status])
        for status in sorted({401, 429, *statuses})
    }


def write_error_responses(*statuses: int) -> dict[int, OpenApiResponse]:
    """Error responses of an endpoint that writes."""
    return error_responses(400, 403, 413, 415, *statuses)
