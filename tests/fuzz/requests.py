"""Target `requests`: bytes become REST requests of staff, answered by Django with its database.

An input is `METHOD PATH QUERY`, a line break, and the body. Whatever it holds, the answer is no
fault of ours, and nothing of it stays: each request is rolled back.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.fuzz import seeds
from tests.fuzz.targets import Target
from tests.servers import Redis

if TYPE_CHECKING:
    from rest_framework.test import APIClient

METHODS = ("GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS")
NOT_REST = ("/admin", "/static", "/docs", "/schema")
# No exchange answers here, and nothing trades.
UNAVAILABLE = {"exchange_unavailable"}
NO_EXCHANGE = "http://127.0.0.1:9"


def endpoints() -> tuple[bytes, ...]:
    """A request for each operation of the schema, with all its parameters or its whole body."""
    from tests.clients import schema

    bodies = schema()["components"]["schemas"]
    found = []
    for path, methods in schema()["paths"].items():
        url = path.format(symbol="BTCUSDT", name="A")
        for method, operation in methods.items():
            query = "&".join(f"{one['name']}=1" for one in operation.get("parameters", []))
            content = operation.get("requestBody", {}).get("content", {})
            reference = next(iter(content.values()))["schema"]["$ref"] if content else ""
            fields = bodies[reference.rpartition("/")[2]]["properties"] if content else {}
            body = ",".join(f'"{name}":"1"' for name in fields)
            found.append(f"{method.upper()} {url} {query}\n{{{body}}}".encode())
    return tuple(found)


@cache
def client() -> "APIClient":
    """A program of staff. What it may see is there: a symbol and a strategy."""
    from tests.builders import strategy, symbol
    from tests.clients import hostile_client

    symbol("BTCUSDT")
    strategy("A")
    return hostile_client()


def check_request(data: bytes) -> None:
    from django.db import transaction

    head, _, body = data.partition(b"\n")
    words = [*head.decode("latin-1").split(" ", 2), "", "", ""]
    method = words[0] if words[0] in METHODS else "GET"
    path = "/" + quote(words[1].lstrip("/").encode("latin-1"), safe="/%")
    if path.startswith(NOT_REST):
        return
    send: Any = client().generic  # its stubs know no query of bytes
    with transaction.atomic():
        response = send(method, path, body, content_type="application/json", QUERY_STRING=words[2])
        transaction.set_rollback(True)
    text = b"" if response.streaming else response.content
    if response.status_code >= 500:
        assert response.status_code == 503, text[:300]
        assert path == "/health" or response.json()["error"] in UNAVAILABLE, text[:300]
    elif response.status_code >= 400 and text and response["Content-Type"] == "application/json":
        assert set(response.json()) == {"error", "detail"}, text[:300]


@contextmanager
def prepared() -> Iterator[Target]:
    """The target, with Redis and a database of its own, for who is no test."""
    from tests.environment import setting_names

    folder = Path(tempfile.mkdtemp(prefix="trading-fuzz-"))
    redis = Redis(folder)
    os.environ.update(dict.fromkeys(setting_names(), ""))
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings",
        "VAR_DIR": str(folder),
        "SECRET_KEY": "of tests alone",
        "REDIS_URL": redis.url,
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "BINANCE_REST_URL": NO_EXCHANGE,
        "BINANCE_STREAM_URL": NO_EXCHANGE.replace("http", "ws"),
        "ALLOWED_HOSTS": "testserver",
    }
    try:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield target()
    finally:
        redis.kill()
        shutil.rmtree(folder, ignore_errors=True)


def target() -> Target:
    """The target, warmed up: no input pays for what is loaded once."""
    check_request(seeds.QUERIES[0])
    return Target(check_request, (*seeds.QUERIES, *endpoints()))
