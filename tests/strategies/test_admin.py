from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from strategies.models import Strategy, StrategyState
from tests.admins import act, may_not_change, page, row_page, save, signed_in
from tests.builders import strategy, symbol
from tests.rows import at, order, signal

pytestmark = pytest.mark.django_db
FORM = {"name": "C", "enabled": "on", "interval": "", "sma_period": "10", "ema_period": "5"}
FORM["stop_loss"] = "0.05"


@pytest.fixture
def client() -> Client:
    return signed_in()


def test_a_strategy_is_made_and_changed(client: Client) -> None:
    save(client, "strategies_strategy", None, FORM)
    made = Strategy.objects.get()
    assert (made.name, made.stop_loss) == ("C", Decimal("0.05"))
    save(client, "strategies_strategy", made, {**FORM, "stop_loss": "0.2", "name": "D"})
    made.refresh_from_db()
    assert (made.name, made.stop_loss) == ("C", Decimal("0.2"))  # it keeps its name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stop_loss": "1"}, "use a fraction above 0 and below 1"),
        ({"stop_loss": "0"}, "use a fraction above 0 and below 1"),
        ({"stop_loss": "x"}, "Enter a number"),
        ({"sma_period": "0"}, "use a whole number from 1 to 1000"),
        ({"ema_period": ""}, "This field is required"),
        ({"interval": "5m"}, "INTERVALS is 1m"),
        ({"name": "a b"}, "Use letters, digits and _."),
    ],
)
def test_wrong_parameters_are_refused(client: Client, change: dict[str, Any], told: str) -> None:
    assert told in save(client, "strategies_strategy", None, {**FORM, **change})
    assert not Strategy.objects.exists()


def test_a_slow_ema_is_kept_with_a_warning(client: Client) -> None:
    told = save(client, "strategies_strategy", None, {**FORM, "ema_period": "10"})
    assert "The EMA is not the faster" in told
    assert Strategy.objects.exists()


def test_whoever_changes_what_the_environment_governs_is_told(
    client: Client, settings: Settings
) -> None:
    settings.SET_STRATEGY_PARAMETERS = frozenset({"VARIANT_A_SL", "VARIANT_B_SL"})
    a = strategy("A")
    told = save(client, "strategies_strategy", a, {**FORM, "stop_loss": "0.3"})
    assert "VARIANT_A_SL is set in the environment" in told
    assert "VARIANT_B_SL" not in told


def test_strategies_are_switched_on_and_off(client: Client) -> None:
    a, b = strategy("A"), strategy("B")
    act(client, "strategies_strategy", "disable", a, b)
    act(client, "strategies_strategy", "enable", b)
    assert list(Strategy.objects.filter(enabled=True)) == [b]


def test_signals_and_states_are_shown_and_never_changed(client: Client) -> None:
    a, btc = strategy("A"), symbol()
    state = StrategyState.objects.create(
        strategy=a, symbol=btc, interval="1m", open_time=at(1), sma=Decimal("9.500"), note="flat"
    )
    raised = signal(a, btc, order=order(btc))
    for model, row in (("strategies_signal", raised), ("strategies_strategystate", state)):
        assert ".5<" in page(client, model)
        assert page(client, model, "q=test&symbol=BTCUSDT")
        assert row_page(client, model, row)
        assert may_not_change(client, model, row)
