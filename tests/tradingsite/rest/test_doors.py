"""What strangers and staff may do, and what every answer carries."""

from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis

from strategies.models import Strategy
from tests.builders import strategy, symbol
from tests.clients import refused, staff, stranger, user, with_session, with_token

pytestmark = pytest.mark.django_db
BODY = {"name": "C", "sma_period": 10, "ema_period": 5, "stop_loss": "0.1"}
WRITES: list[tuple[str, str, dict[str, Any], str]] = [
    ("post", "/halt", {"level": "no_entries"}, "add_halt"),
    ("post", "/strategy", BODY, "add_strategy"),
    ("patch", "/strategy/A", {"enabled": False}, "change_strategy"),
    ("delete", "/symbols/BTCUSDT", {}, "change_symbol"),
]


@pytest.fixture(autouse=True)
def system(redis: Redis) -> None:
    symbol("BTCUSDT")
    strategy("A")


@pytest.mark.parametrize(("method", "path", "body", "permission"), WRITES)
def test_a_write_needs_the_permission_that_the_admin_needs(
    method: str, path: str, body: dict[str, Any], permission: str
) -> None:
    others = {one[3] for one in WRITES} - {permission}
    lacking = with_token(staff("lacking", *others))
    detail = refused(getattr(lacking, method)(path, body), 403, "permission_denied")
    assert permission in detail
    having = with_token(staff("having", permission))
    assert getattr(having, method)(path, body).status_code in {200, 201}


def test_superusers_may_write_all_and_users_who_are_no_staff_nothing() -> None:
    root = user("root", is_staff=True, is_superuser=True)
    assert with_token(root).post("/strategy", BODY).status_code == 201
    reader = with_token(user("reader"))
    refused(reader.post("/strategy", {**BODY, "name": "D"}), 403, "permission_denied")
    assert set(Strategy.objects.values_list("name", flat=True)) == {"A", "C"}


def test_documentation_and_schema_are_for_readers(settings: Settings) -> None:
    settings.PUBLIC_READ = False
    assert stranger().get("/schema").status_code == 401
    assert stranger().get("/docs")["Location"].startswith("/admin/login/?next=/docs")
    reader = with_session(user())
    assert reader.get("/schema").status_code == reader.get("/docs").status_code == 200
    settings.PUBLIC_READ = True
    assert stranger().get("/schema").status_code == stranger().get("/docs").status_code == 200


PAGES = [
    "/", "/docs", "/docs?script=", "/schema", "/admin/login/", "/admin/", "/symbols", "/health",
    "/symbols/NOPE", "/nowhere", "/halt/a/b", "/static/css/base.css",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_security_headers(path: str) -> None:
    headers = stranger().get(path).headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_an_answer_to_a_strange_host_carries_them_too() -> None:
    response = stranger().get("/symbols", HTTP_HOST="evil.example")
    refused(response, 400, "bad_request")
    assert "evil.example" not in response["Content-Security-Policy"]
