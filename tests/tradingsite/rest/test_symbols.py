from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis
from rest_framework.test import APIClient

from foundation.times import now_ms
from market.models import Symbol
from tests.builders import symbol, tick
from tests.clients import promised, redis_away, refused, staff, stranger, user, with_token
from tests.rows import position, write_stream
from tests.servers import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


@pytest.fixture
def program() -> APIClient:
    """A program with a token of a staff user."""
    return with_token(staff())


@pytest.fixture
def exchange(sandbox: Sandbox, settings: Settings) -> None:
    settings.BINANCE_REST_URL = f"http://127.0.0.1:{sandbox.port}"


def stream_of(name: str = "BTCUSDT") -> Any:
    answer = promised(stranger().get("/symbols"), "/symbols")
    return next(one for one in answer["symbols"] if one["symbol"] == name)["stream"]


def test_symbols_are_the_followed_ones_with_their_rules(btc: Symbol, redis: Redis) -> None:
    symbol("LTCUSDT", followed=False)
    write_stream(redis, [tick("61000.5", time_ms=now_ms())])
    [answered] = promised(stranger().get("/symbols"), "/symbols")["symbols"]
    assert (answered["symbol"], answered["status"]) == ("BTCUSDT", "TRADING")
    assert answered["order_quantity"] == "0.001"
    assert answered["rules"] == {
        "price_step": "0.01",
        "quantity_step": "0.00001",
        "min_quantity": "0.00001",
        "max_quantity": "120",
        "min_notional": "5",
    }


def test_a_symbol_can_be_read_alone_followed_or_not(redis: Redis) -> None:
    symbol("LTCUSDT", followed=False, filters=[])
    answer = promised(stranger().get("/symbols/ltcusdt"), "/symbols/{symbol}")
    assert (answer["followed"], answer["order_quantity"]) == (False, None)
    assert answer["rules"]["max_quantity"] is None


def test_a_symbol_whose_ticks_come_in_is_live(btc: Symbol, redis: Redis) -> None:
    write_stream(redis, [tick("61000.50", tick_id=7, time_ms=now_ms() - 40)])
    stream = stream_of()
    assert (stream["state"], stream["last_tick_id"], stream["last_price"]) == ("live", 7, "61000.5")
    assert 40 <= stream["age_ms"] < 60_000


def test_a_symbol_without_a_tick_for_a_minute_is_stale(btc: Symbol, redis: Redis) -> None:
    write_stream(redis, [tick(time_ms=now_ms() - 61_000)])
    assert stream_of()["state"] == "stale"


def test_a_symbol_whose_missed_ticks_are_fetched_is_refilling(btc: Symbol, redis: Redis) -> None:
    write_stream(redis, [tick(time_ms=now_ms())], refilling={"BTCUSDT": 12})
    assert (stream_of()["state"], stream_of()["to_fetch"]) == ("refilling", 12)


def test_a_symbol_that_the_stream_carries_nothing_of_is_polled(btc: Symbol, redis: Redis) -> None:
    write_stream(redis, [tick(time_ms=now_ms())], polled=["BTCUSDT"])
    assert stream_of()["state"] == "polled"


def test_a_symbol_just_added_waits_for_its_first_tick(btc: Symbol, redis: Redis) -> None:
    write_stream(redis, [tick(time_ms=now_ms(), symbol="ETHUSDT")])
    assert stream_of()["state"] == "waiting"


@pytest.mark.parametrize("fields", [{"connected": False}, {"beat_ms": now_ms() - 60_000}])
def test_without_a_stream_every_symbol_is_down(
    btc: Symbol, redis: Redis, fields: dict[str, Any]
) -> None:
    write_stream(redis, [tick(time_ms=now_ms())], **fields)
    assert stream_of()["state"] == "down"


def test_without_redis_the_rules_are_still_told(btc: Symbol) -> None:
    with redis_away():
        stream = stream_of()
    assert stream == {
        "state": "down",
        "last_tick_id": None,
        "last_tick_time": None,
        "age_ms": None,
        "last_price": None,
        "to_fetch": 0,
        "shard": None,
        "leader": None,
        "holder": None,
        "standbys": [],
        "refilled": 0,
        "holes": 0,
        "given_up": 0,
        "late": 0,
    }


def test_staff_follow_a_symbol_that_the_exchange_knows(
    program: APIClient, exchange: None, redis: Redis
) -> None:
    answer = promised(program.post("/symbols/ethusdt"), "/symbols/{symbol}", "post")
    assert (answer["symbol"], answer["followed"]) == ("ETHUSDT", True)
    assert answer["rules"]["quantity_step"] != "0"
    assert list(Symbol.objects.followed().values_list("name", flat=True)) == ["ETHUSDT"]


def test_a_symbol_that_the_exchange_does_not_know_is_not_found(
    program: APIClient, exchange: None
) -> None:
    assert "'NOPE'" in refused(program.post("/symbols/NOPE"), 404, "unknown_symbol")
    assert not Symbol.objects.exists()


def test_while_the_exchange_is_away_nothing_new_is_followed(
    program: APIClient, settings: Settings
) -> None:
    settings.BINANCE_REST_URL = "http://127.0.0.1:9"
    refused(program.post("/symbols/ETHUSDT"), 503, "exchange_unavailable")
    assert not Symbol.objects.exists()


def test_staff_stop_following_a_symbol_and_its_row_stays(
    btc: Symbol, program: APIClient, redis: Redis
) -> None:
    answer = promised(program.delete("/symbols/BTCUSDT"), "/symbols/{symbol}", "delete")
    assert answer["followed"] is False
    assert not Symbol.objects.followed().exists()
    refused(program.delete("/symbols/NOPE"), 404, "unknown_symbol")


def test_a_held_symbol_is_let_go_by_force_alone(
    btc: Symbol, program: APIClient, redis: Redis
) -> None:
    position(btc, "A")
    detail = refused(program.delete("/symbols/BTCUSDT"), 409, "position_open")
    assert detail.startswith("A hold")
    assert Symbol.objects.followed().exists()
    refused(program.delete("/symbols/BTCUSDT?force=perhaps"), 400, "bad_parameter")
    assert program.delete("/symbols/BTCUSDT?force=true").status_code == 200


def test_a_closed_position_holds_nothing_up(btc: Symbol, program: APIClient, redis: Redis) -> None:
    position(btc, "A", status="closed")
    assert program.delete("/symbols/BTCUSDT").status_code == 200


@pytest.mark.parametrize("method", ["post", "delete"])
def test_nobody_else_changes_what_is_followed(btc: Symbol, method: str) -> None:
    refused(getattr(stranger(), method)("/symbols/BTCUSDT"), 401, "not_authenticated")
    client = with_token(user())
    refused(getattr(client, method)("/symbols/BTCUSDT"), 403, "permission_denied")
    assert Symbol.objects.followed().exists()
