import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import RequestFactory
from pytest_django import Settings
from redis import Redis

from market.models import Symbol
from tests.builders import symbol
from tests.clients import refused, schema, staff, stranger, user, with_session, with_token
from tradingsite.rest.health import API_PREFIXES, UnknownPathView, server_fault

READS = [
    "/symbols", "/symbols/BTCUSDT", "/candles", "/candles/BTCUSDT", "/positions",
    "/positions/BTCUSDT", "/trades", "/trades?format=csv", "/orders", "/signals", "/ticks",
    "/ticks/BTCUSDT", "/strategy", "/halt", "/performance",
]  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture
def btc(redis: Redis) -> Symbol:
    return symbol("BTCUSDT")


@pytest.mark.parametrize("path", READS)
def test_reads_are_open_to_all_or_to_users_as_public_read_says(
    btc: Symbol, settings: Settings, path: str
) -> None:
    settings.PUBLIC_READ = True
    assert stranger().get(path).status_code == 200
    settings.PUBLIC_READ = False
    response = stranger().get(path)
    refused(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Token"
    someone = user()
    assert with_session(someone).get(path).status_code == 200
    assert with_token(someone).get(path).status_code == 200


def test_a_token_that_is_none_is_refused_even_where_reads_are_open(
    settings: Settings,
) -> None:
    settings.PUBLIC_READ = True
    client = stranger()
    client.credentials(HTTP_AUTHORIZATION="Token 123")
    refused(client.get("/symbols"), 401, "authentication_failed")


def test_a_staff_user_who_was_shut_out_may_not_write() -> None:
    person = staff()
    client = with_token(person)
    person.is_active = False
    person.save()
    refused(client.post("/halt", {"level": "off"}), 401, "authentication_failed")


@pytest.mark.parametrize("prefix", API_PREFIXES)
def test_what_is_not_there_is_not_found_in_json(prefix: str) -> None:
    for path in (f"/{prefix}/a/b/c", f"/{prefix}/"):
        assert "/docs" in refused(stranger().get(path), 404, "not_found")
    refused(stranger().post(f"/{prefix}/a/b/c"), 404, "not_found")


@pytest.mark.parametrize("path", [path for path in READS if "?" not in path])
def test_a_method_that_is_not_there_is_refused(path: str) -> None:
    response = with_token(staff()).put(path, {})
    refused(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


@pytest.mark.parametrize(
    "path",
    ["/candles/BTC%00", "/positions/%00", "/symbols/%00", "/strategy/%00", "/trades?symbol=%00"],
)
def test_letters_that_no_database_takes_name_nothing(path: str) -> None:
    assert stranger().get(path).status_code == 404


def test_a_body_that_is_not_json_is_refused() -> None:
    response = with_token(staff()).post("/halt", "level=off", content_type="text/plain")
    assert "text/plain" in refused(response, 415, "unsupported_media_type")


def test_a_database_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("server closed the connection, password=secret")

    monkeypatch.setattr("market.models.SymbolQuerySet.followed", away)
    detail = refused(stranger().get("/candles"), 503, "database_unavailable")
    assert "secret" not in detail


def test_a_fault_of_ours_is_told_in_the_shape_of_whoever_asked(rf: RequestFactory) -> None:
    assert json.loads(server_fault(rf.get("/candles/BTCUSDT")).content) == {
        "error": "internal",
        "detail": "a fault of ours; the log has it",
    }
    assert server_fault(rf.get("/admin/"))["Content-Type"].startswith("text/html")


@pytest.mark.thorough
def test_the_schema_describes_every_endpoint_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "schema.yml"))
    described = {path.split("/")[1] for path in schema()["paths"]}
    assert described == set(API_PREFIXES)
    assert UnknownPathView.__name__ not in str(schema())


def test_the_documentation_is_served_by_us_alone() -> None:
    page = stranger().get("/docs").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
    assert stranger().get("/schema").status_code == 200
    assert (
        stranger().get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css").status_code
        == 200
    )
