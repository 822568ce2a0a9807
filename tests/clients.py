"""Who asks over REST, and whether what they get is what the schema at /schema promises."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import jsonschema
from django.contrib.auth.models import Permission, User
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from accounts.services import create_token
from foundation.redis import connection

WRITES = ("add_adjustment", "add_halt", "add_strategy", "change_strategy", "change_symbol")


def stranger() -> APIClient:
    return APIClient(enforce_csrf_checks=True)


def user(name: str = "ursula", **fields: Any) -> User:
    return User.objects.create_user(name, **fields)


def staff(name: str = "stefan", *permissions: str) -> User:
    """A staff user who may write all that the API writes, or that alone which is named."""
    made = user(name, is_staff=True)
    names = permissions or WRITES
    made.user_permissions.set(Permission.objects.filter(codename__in=names))
    return made


def with_token(of: User) -> APIClient:
    """A program that holds a token of that user."""
    client = stranger()
    client.credentials(HTTP_AUTHORIZATION=f"Token {create_token(of)}")
    return client


def hostile_client() -> APIClient:
    """A program of staff that asks anything: what is a fault of ours is answered, not raised."""
    client = with_token(staff())
    client.raise_request_exception = False
    return client


def with_session(of: User) -> APIClient:
    """A browser in which that user has signed in; it sends no CSRF token unless told."""
    client = stranger()
    client.force_login(of)
    return client


@cache
def schema() -> dict[str, Any]:
    """Our OpenAPI document, made strict: what it does not name must not be answered."""
    generator: Any = SchemaGenerator  # untyped
    document: dict[str, Any] = generator().get_schema(request=None, public=True)
    for component in document["components"]["schemas"].values():
        if component.get("type") == "object":
            component["additionalProperties"] = False
    return document


def promised(response: Any, path: str, method: str = "get") -> Any:
    """The JSON of `response`, held against what the schema says of `path` and its status."""
    answers: Mapping[str, Any] = schema()["paths"][path][method]["responses"]
    answer = answers[str(response.status_code)]["content"]["application/json"]["schema"]
    data = response.json()
    jsonschema.validate(data, {**answer, "components": schema()["components"]})
    return data


def refused(response: Any, status: int, error: str) -> str:
    """The detail of a refusal that has this status and code."""
    data = response.json()
    assert (response.status_code, data.get("error")) == (status, error), data
    assert set(data) == {"error", "detail"}
    return str(data["detail"])


@contextmanager
def redis_away() -> Iterator[None]:
    """Redis does not answer this process."""
    connection.cache_clear()
    try:
        with override_settings(REDIS_URL="unix:///nowhere/redis.sock"):
            yield
    finally:
        connection.cache_clear()
