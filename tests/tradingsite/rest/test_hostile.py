"""Hostile requests: whatever a parameter, a body or a header holds, the answer is no fault of ours.

Endpoints and parameters come from the schema, so that a new one is tried, too.
"""

import asyncio
import json
import string
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from django.core.handlers.asgi import ASGIRequest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis
from rest_framework.test import APIClient

from foundation.rest.parsers import MAX_BODY_BYTES
from tests.builders import strategy, symbol
from tests.clients import hostile_client, refused, schema, staff, stranger, with_token
from tradingsite.web.charset import in_utf8

pytestmark = pytest.mark.django_db

READS = [
    (path, parameter["name"])
    for path, methods in schema()["paths"].items()
    for parameter in methods.get("get", {}).get("parameters", [])
]
WRITES = [
    (path, method)
    for path, methods in schema()["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
]
FIELDS = [*schema()["components"]["schemas"]["StrategyBody"]["properties"], "level", "reason"]

SPECIMENS = [
    "", " ", "0", "-1", "1.0", "1e3", "٣", "+5", "0x10", "1_000", "NaN", "Infinity", "-0", "null",
    "true", "9" * 19, "9" * 400, "1e400", "1e-999999999", "\0", "a\0b", "%00", "\ud800", "\x7f",
    "ß", "BTCUSDT\n", "币安人生USDT", "A" * 5000, "{}", "[]", "'; DROP TABLE", "../../etc/passwd",
    "older-1-1", f"older-{'9' * 17}-{'9' * 18}", "newer-0-0", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "2026-13-01", "2026-01-02T03:04:05Z", "9" * 13, "9" * 17,
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(SPECIMENS),
    st.text(max_size=30),
    st.integers(-(10**25), 10**25).map(str),
    st.decimals().map(str),
    st.datetimes().map(str),
)
values = st.recursive(
    st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
# The database rows stay the same for all examples: hostile requests write nothing.
hostile = settings(suppress_health_check=list(HealthCheck), deadline=None)


@pytest.fixture
def system(redis: Redis) -> APIClient:
    """Something to be found, and a program of staff that asks."""
    symbol("BTCUSDT")
    strategy("A")
    return hostile_client()


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def is_well_answered(response: Any, *statuses: int) -> Any:
    assert response.status_code in statuses, (response.status_code, response.content[:500])
    if response.status_code != 200 and response["Content-Type"] == "application/json":
        assert set(response.json()) == {"error", "detail"}
    return response


@hostile
@given(st.sampled_from(READS), texts)
@example(("/trades", "limit"), "1.0")
def test_any_value_of_any_parameter_is_answered(
    system: APIClient, read: tuple[str, str], value: str
) -> None:
    path, name = read
    if f"{{{name}}}" in path:
        url = path.replace(f"{{{name}}}", encoded(value) or "%20")
    else:
        url = f"{path.format(symbol='BTCUSDT', name='A')}?{name}={encoded(value)}"
    response = is_well_answered(system.get(url), 200, 400, 404)
    if response.status_code == 400:
        assert name in response.json()["detail"]


@hostile
@given(st.sampled_from(WRITES), st.one_of(values, st.dictionaries(st.sampled_from(FIELDS), values)))
def test_any_body_is_answered(system: APIClient, write: tuple[str, str], body: Any) -> None:
    path, method = write
    url = path.format(symbol="BTCUSDT", name="A")
    text = json.dumps(body)
    response = system.generic(method.upper(), url, text, content_type="application/json")
    is_well_answered(response, 200, 201, 400, 404)


@hostile
@given(st.sampled_from(WRITES), st.binary(max_size=200))
def test_any_bytes_are_answered(system: APIClient, write: tuple[str, str], body: bytes) -> None:
    path, method = write
    url = path.format(symbol="BTCUSDT", name="A")
    send: Any = system.generic  # its stubs know texts alone
    response = send(method.upper(), url, body, content_type="application/json")
    is_well_answered(response, 200, 400)


DEEP = [
    b"[" * 60_000,
    b'{"level":' * 7_000,
    b"[" * 20_000 + b"]" * 20_000,
    b'{"level": ' + b"[" * 900 + b"]" * 900 + b"}",
]


@pytest.mark.parametrize("body", DEEP)
@pytest.mark.parametrize("client", [stranger, lambda: with_token(staff())])
def test_a_deep_body_is_refused(client: Any, body: bytes, redis: Redis) -> None:
    response = client().generic("POST", "/halt", body, content_type="application/json")
    is_well_answered(response, 400, 401)


def test_a_long_body_is_refused(system: APIClient) -> None:
    body = b'{"reason": "' + b"x" * MAX_BODY_BYTES + b'"}'
    send: Any = system.generic
    response = send("POST", "/halt", body, content_type="application/json")
    refused(response, 413, "too_large")


CONTENT_TYPES = [
    "a/json; charset=utf-16", "application/json; charset=base64", "text/plain; charset=idna",
    "application/json; charset=undefined", "multipart/form-data; boundary=x", "multipart/form-data",
    "application/x-www-form-urlencoded; charset=rot13", "", "x", "\xff", "a/b; charset=\"",
]  # fmt: skip


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_any_content_type_is_read_in_utf8(content_type: str) -> None:
    read: list[str] = []

    async def keep(scope: Any, *_: Any) -> None:
        read.append(ASGIRequest(scope, BytesIO(b"{}")).GET["limit"])

    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"limit=%31",
        "headers": [(b"content-type", content_type.encode("latin-1"))],
    }  # fmt: skip
    serve: Any = in_utf8(keep)
    asyncio.run(serve(scope, None, None))
    assert read == ["1"]


@hostile
@given(
    st.dictionaries(
        st.sampled_from(["HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_ACCEPT", "HTTP_ORIGIN"]),
        st.one_of(
            st.text(st.characters(max_codepoint=255), max_size=60),
            st.text(string.ascii_letters, max_size=30).map("sessionid={}".format),
            st.sampled_from(
                ["Token \0", "Token a b", "Token", r'sessionid="\000abcdefgh"', "*/json"]
            ),
        ),
        max_size=3,
    )
)
@example({"HTTP_COOKIE": r'sessionid="\000abcdefgh"'})
def test_any_header_is_answered(system: APIClient, headers: dict[str, str]) -> None:
    client: Any = stranger()
    client.raise_request_exception = False
    is_well_answered(
        client.get("/symbols", REMOTE_ADDR="203.0.113.9", **headers), 200, 400, 401, 406, 429
    )


def test_too_many_parameters_are_refused(system: APIClient) -> None:
    response = system.get("/trades?" + "&".join(f"a{n}=1" for n in range(1500)))
    refused(response, 400, "bad_request")
