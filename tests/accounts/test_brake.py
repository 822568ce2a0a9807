"""The brake on guessing passwords and tokens."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from redis import Redis
from redis.client import Pipeline
from structlog.testing import capture_logs

from accounts import brake
from tests.clients import redis_away, refused, stranger, user

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
PASSWORD = "knows-it-well"


@pytest.fixture(autouse=True)
def ursula(redis: Redis, settings: Settings) -> Any:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a quick one
    return user("ursula", password=PASSWORD, is_staff=True)


def sign_in(password: str, name: str = "ursula", address: str = "203.0.113.1") -> bool:
    """True where that lets in."""
    form = {"username": name, "password": password}
    response = Client(REMOTE_ADDR=address).post("/admin/login/?next=/admin/", form)
    return response.status_code == 302


def test_after_five_wrong_passwords_the_right_one_is_not_even_tried() -> None:
    with capture_logs() as logs:
        assert not any(sign_in(f"guess-{number}") for number in range(5))
        assert not sign_in(PASSWORD)
    [locked] = [one for one in logs if one["event"] == "sign_in.locked_out"]
    assert (locked["account"], locked["address"]) == ("ursula", "203.0.113.1")
    assert "guess" not in str(logs)


def test_the_form_says_for_how_long_it_is_locked() -> None:
    for _ in range(5):
        sign_in("wrong")
    form = {"username": "URSULA", "password": PASSWORD}
    page = Client(REMOTE_ADDR="203.0.113.1").post("/admin/login/", form).content.decode()
    assert "Try again in 15 minutes" in page


def test_others_are_let_in_meanwhile() -> None:
    for _ in range(6):
        sign_in("wrong")
    assert sign_in(PASSWORD, address="203.0.113.2")
    user("other", password=PASSWORD, is_staff=True)
    assert sign_in(PASSWORD, "other")


def test_an_address_that_guesses_at_many_accounts_is_locked() -> None:
    for number in range(20):
        sign_in("wrong", f"user-{number}")
    assert not sign_in(PASSWORD)


def test_all_addresses_of_an_ipv6_network_are_one() -> None:
    for number in range(5):
        assert not sign_in("wrong", address=f"2001:db8:1:2::{number:x}")
    assert not sign_in(PASSWORD, address="2001:db8:1:2:ffff::1")
    assert sign_in(PASSWORD, address="2001:db8:1:3::1")


def test_an_ipv4_address_is_the_same_on_a_socket_that_takes_both_kinds() -> None:
    for _ in range(5):
        assert not sign_in("wrong", address="::ffff:203.0.113.1")
    assert not sign_in(PASSWORD, address="203.0.113.1")


def test_redis_6_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def expire(*_: Any, nx: bool = False, **__: Any) -> None:
        assert not nx, "an option of Redis 7"

    monkeypatch.setattr(Pipeline, "expire", expire)
    for _ in range(5):
        assert not sign_in("wrong")
    assert not sign_in(PASSWORD)


def test_an_account_that_many_addresses_guess_at_is_locked() -> None:
    for number in range(50):
        sign_in("wrong", address=f"198.51.100.{number}")
    assert not sign_in(PASSWORD)


def test_the_right_password_begins_anew() -> None:
    for _ in range(3):
        for _ in range(4):
            assert not sign_in("wrong")
        assert sign_in(PASSWORD)


def test_the_lock_ends_by_itself(redis: Redis) -> None:
    for _ in range(6):
        sign_in("wrong")
    bounds = brake.password_bounds("ursula", "203.0.113.1")
    assert 0 < brake.locked_for_s(bounds) <= 900
    assert all(0 < redis.ttl(bound.key) <= 900 for bound in bounds)
    redis.flushall()  # as if that time had passed
    assert sign_in(PASSWORD)


def test_wrong_tokens_lock_their_address_for_a_minute() -> None:
    client = stranger()
    client.credentials(HTTP_AUTHORIZATION="Token nonsense")
    for _ in range(20):
        refused(client.get("/symbols"), 401, "authentication_failed")
    response = client.get("/symbols")
    refused(response, 429, "throttled")
    assert 0 < int(response["Retry-After"]) <= 60


def test_without_redis_whoever_knows_the_password_gets_in() -> None:
    with redis_away():
        assert not sign_in("wrong")
        assert sign_in(PASSWORD)
