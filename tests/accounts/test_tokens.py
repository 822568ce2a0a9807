"""API tokens: kept as hashes, shown once, revoked at once."""

import re
from importlib import import_module
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from redis import Redis

from accounts.models import Token, digest
from accounts.services import Credential, create_token, of_token, valid
from tests.clients import refused, staff, stranger, user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counted(redis: Redis) -> Redis:
    """No failure of another test counts."""
    return redis


def asks_with(token: str) -> int:
    client = stranger()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client.get("/symbols").status_code


def test_one_command_makes_a_token_that_is_kept_as_a_hash() -> None:
    user("ursula")
    out = StringIO()
    call_command("createtoken", "ursula", "--name", "grafana", stdout=out, stderr=StringIO())
    secret = out.getvalue().strip()
    assert asks_with(secret) == 200
    kept = Token.objects.get()
    assert (kept.digest, kept.name) == (digest(secret), "grafana")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_token")
        assert secret not in str(cursor.fetchall())


def test_the_command_names_a_user_who_is_none() -> None:
    user("gone", is_active=False)
    for name in ("nobody", "gone"):
        with pytest.raises(CommandError, match=name):
            call_command("createtoken", name)


def test_a_revoked_token_and_one_of_a_user_shut_out_are_refused() -> None:
    ursula = user()
    revoked, kept = create_token(ursula), create_token(ursula)
    Token.objects.get(digest=digest(revoked)).delete()
    assert (asks_with(revoked), asks_with(kept)) == (401, 200)
    ursula.is_active = False
    ursula.save()
    assert asks_with(kept) == 401


@pytest.mark.thorough
def test_a_session_lets_in_until_it_is_signed_out_or_the_password_changes() -> None:
    ursula = user("ursula", password="reads-a-lot")
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.force_login(ursula)
    shown = [Credential("session", one.cookies["sessionid"].value) for one in browsers]
    token = of_token(create_token(ursula))
    assert valid([*shown, token]) == {*shown, token}
    browsers[0].logout()
    assert valid([*shown, token]) == {shown[1], token}
    ursula.set_password("another-one")
    ursula.save()
    assert valid([*shown, token]) == {token}
    assert valid([of_token("strange"), Credential("session", "x" * 32)]) == set()


def made_in_admin(client: Client, of: User) -> Any:
    body = {"user": of.pk, "name": "script"}
    return client.post("/admin/accounts/token/add/", body, follow=True)


def test_the_admin_shows_a_token_once() -> None:
    root = User.objects.create_superuser("root")
    client = Client()
    client.force_login(root)
    page = made_in_admin(client, root).content.decode()
    found = re.search(r"The token is ([\w-]+) ", page)
    assert found
    assert asks_with(found[1]) == 200
    assert found[1] not in client.get("/admin/accounts/token/").content.decode()


def test_staff_make_tokens_of_themselves_alone() -> None:
    root, person = User.objects.create_superuser("root"), staff("stefan", "add_token", "view_token")
    create_token(root, "of root")
    client = Client()
    client.force_login(person)
    made_in_admin(client, root)
    assert not Token.objects.filter(name="script").exists()
    made_in_admin(client, person)
    assert Token.objects.get(name="script").user == person
    assert "of root" not in client.get("/admin/accounts/token/").content.decode()


def test_tokens_of_an_earlier_version_go_on_and_are_hashed() -> None:
    ursula = user()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, user_id integer)"
        )
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, %s)", ["a" * 40, ursula.pk])
    migration = import_module("accounts.migrations.0001_initial")
    with connection.cursor() as cursor:
        migration.take_over_tokens(
            apps, SimpleNamespace(connection=connection, execute=cursor.execute)
        )
    assert "authtoken_token" not in connection.introspection.table_names()
    assert asks_with("a" * 40) == 200


def test_how_to_get_a_token_is_said_where_one_is_missing() -> None:
    assert "createtoken" in refused(
        stranger().post("/halt", {"level": "off"}), 401, "not_authenticated"
    )
    schema = stranger().get("/schema?format=json").content.decode()
    assert "createtoken" in schema
