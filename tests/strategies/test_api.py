from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from redis import Redis
from rest_framework.test import APIClient

from foundation.times import to_ms
from market.models import Symbol
from strategies.keys import candle_key
from strategies.models import Strategy, StrategyState
from strategies.representation import signal_json
from tests.builders import strategy, symbol, tick
from tests.clients import promised, redis_away, refused, staff, stranger, user, with_token
from tests.rows import at, order, position, signal, write_stream

pytestmark = pytest.mark.django_db
BODY = {"name": "C", "sma_period": 20, "ema_period": 9, "stop_loss": "0.05"}


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


@pytest.fixture
def program() -> APIClient:
    """A program with a token of a staff user."""
    return with_token(staff())


def ask(path: str, query: str = "") -> Any:
    return promised(stranger().get(f"{path}?{query}"), path)


def test_a_signal_tells_what_led_to_it_and_what_became_of_it(btc: Symbol) -> None:
    raised = signal(strategy("A"), btc, order=order(btc), outcome="bought")
    [answered] = ask("/signals")["results"]
    assert answered == signal_json(raised)
    assert (answered["sma"], answered["ema"], answered["previous_sma"]) == (
        "59999.5",
        "60001",
        None,
    )
    assert (answered["client_order_id"], answered["order_status"]) == ("test-1", "FILLED")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [3, 2, 1]),
        ("strategy=B", [3]),
        ("side=SELL", [2]),
        ("reason=stop_loss", [2]),
        ("symbol=ETHUSDT", [3]),
        ("start=2026-01-02T12:03:00Z", [3, 2]),
        ("limit=1", [3]),
    ],
)
def test_signals_are_filtered(btc: Symbol, query: str, numbers: list[int]) -> None:
    a, b = strategy("A"), strategy("B")
    signal(a, btc, 1)
    signal(a, btc, 2, side="SELL", reason="stop_loss", candle_open_time=None)
    signal(b, symbol("ETHUSDT"), 3)
    found = [one["key"].rpartition("-")[2] for one in ask("/signals", query)["results"]]
    assert found == [str(number) for number in numbers]


def test_a_strategy_shows_its_parameters_and_how_it_stands_on_every_symbol(
    btc: Symbol, redis: Redis
) -> None:
    a = strategy("A", stop_loss="0.150", interval="")
    StrategyState.objects.create(
        strategy=a, symbol=btc, interval="1m", open_time=at(3), sma=Decimal("100.50"), note="flat"
    )
    position(btc, "A")
    symbol("ETHUSDT")
    write_stream(redis, [tick("61000")])
    [answered] = ask("/strategy")["strategies"]
    assert (answered["variant"], answered["stop_loss"]) == ("A (15 %)", "0.15")
    evaluated, unseen = answered["states"]
    assert (evaluated["symbol"], evaluated["sma"], evaluated["ema"]) == ("BTCUSDT", "100.5", None)
    assert evaluated["note"] == "flat"
    assert evaluated["position"]["unrealised"] == "1"
    assert (unseen["symbol"], unseen["open_time"], unseen["position"]) == ("ETHUSDT", None, None)


def test_a_state_says_what_became_of_its_signal(btc: Symbol) -> None:
    a = strategy("A")
    state = StrategyState.objects.create(
        strategy=a, symbol=btc, interval="1m", open_time=at(3), note="BUY"
    )
    key = candle_key(a.pk, btc.pk, "1m", to_ms(state.open_time))
    signal(a, btc, 3, key=key, outcome="denied: halted")
    [answered] = ask("/strategy")["strategies"]
    assert answered["states"][0]["note"] == "BUY; denied: halted"


def test_a_strategy_that_names_symbols_trades_those_alone(btc: Symbol) -> None:
    eth = symbol("ETHUSDT")
    strategy("A").symbols.add(eth)
    [answered] = ask("/strategy")["strategies"]
    assert answered["symbols"] == ["ETHUSDT"]
    assert [state["symbol"] for state in answered["states"]] == ["ETHUSDT"]


def test_many_strategies_take_as_many_queries_as_one(
    btc: Symbol, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in "ABCDEFG":
        strategy(name).symbols.add(btc)
    with django_assert_num_queries(5):
        ask("/strategy")


def test_staff_make_a_strategy(btc: Symbol, program: APIClient) -> None:
    response = program.post("/strategy", {**BODY, "symbols": ["btcusdt"], "stop_loss": 0.05})
    answer = promised(response, "/strategy", "post")
    assert response.status_code == 201
    assert answer == promised(stranger().get("/strategy/C"), "/strategy/{name}")
    assert (answer["stop_loss"], answer["interval"], answer["enabled"]) == ("0.05", "1m", True)
    assert answer["symbols"] == ["BTCUSDT"]


def test_staff_change_a_strategy_and_what_they_leave_out_stays(
    btc: Symbol, program: APIClient
) -> None:
    strategy("A", stop_loss="0.1").symbols.add(btc)
    response = program.patch("/strategy/A", {"stop_loss": "0.20", "enabled": False})
    answer = promised(response, "/strategy/{name}", "patch")
    assert (answer["stop_loss"], answer["enabled"], answer["sma_period"]) == ("0.2", False, 2)
    assert answer["symbols"] == ["BTCUSDT"]
    answer = program.patch("/strategy/A", {"symbols": []}).json()
    assert answer["symbols"] == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"stop_loss": "0"}, "stop_loss='0': use a fraction"),
        ({"stop_loss": "1"}, "stop_loss='1'"),
        ({"stop_loss": "NaN"}, "stop_loss='NaN'"),
        ({"stop_loss": "a lot"}, "stop_loss='a lot'"),
        ({"sma_period": 0}, "sma_period=0: use a whole number from 1 to 1000"),
        ({"ema_period": 1001}, "ema_period=1001"),
        ({"ema_period": "5.5"}, "ema_period='5.5'"),
        ({"interval": "5m"}, "interval='5m': no candles are recorded for it; INTERVALS is 1m"),
        ({"name": "no blanks"}, "name='no blanks': Use letters, digits and _."),
        ({"name": "A"}, "name='A': is taken"),
        ({"name": "x" * 21}, "name="),
        ({"period": 5}, "period=5: no such parameter"),
        ({"symbols": "BTCUSDT"}, "symbols='BTCUSDT'"),
    ],
)
def test_bad_parameters_make_no_strategy(
    program: APIClient, change: dict[str, Any], named: str
) -> None:
    strategy("A")
    response = program.post("/strategy", {**BODY, **change})
    assert named in refused(response, 400, "bad_parameter")
    assert Strategy.objects.count() == 1


def test_a_strategy_keeps_its_name(program: APIClient) -> None:
    strategy("A")
    refused(program.patch("/strategy/A", {"name": "Z"}), 400, "bad_parameter")
    refused(program.patch("/strategy/A", {"stop_loss": "2"}), 400, "bad_parameter")
    assert program.patch("/strategy/A", {"name": "A"}).status_code == 200


def test_what_is_unknown_is_not_found(program: APIClient) -> None:
    assert "'Z'" in refused(stranger().get("/strategy/Z"), 404, "unknown_strategy")
    refused(program.patch("/strategy/Z", {}), 404, "unknown_strategy")
    refused(program.post("/strategy", {**BODY, "symbols": ["NOPE"]}), 404, "unknown_symbol")


def test_nobody_else_makes_or_changes_strategies() -> None:
    strategy("A")
    refused(stranger().post("/strategy", BODY), 401, "not_authenticated")
    refused(stranger().patch("/strategy/A", {"enabled": False}), 401, "not_authenticated")
    refused(with_token(user()).patch("/strategy/A", {}), 403, "permission_denied")
    assert Strategy.objects.get().enabled


def test_without_redis_strategies_are_shown_without_prices(btc: Symbol) -> None:
    strategy("A")
    position(btc, "A")
    with redis_away():
        [answered] = ask("/strategy")["strategies"]
    held = answered["states"][0]["position"]
    assert (held["last_price"], held["unrealised"]) == (None, None)
