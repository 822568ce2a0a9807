from decimal import Decimal
from typing import Any

import pytest

from strategies.parameters import wrong_parameters

RIGHT = {"sma_period": 10, "ema_period": 5, "stop_loss": Decimal("0.15"), "interval": "1m"}


def test_nothing_is_wrong_with_the_defaults() -> None:
    assert wrong_parameters(RIGHT, ["1m"]) == {}
    assert wrong_parameters({**RIGHT, "interval": ""}, ["1m"]) == {}
    assert wrong_parameters({}, ["1m"]) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sma_period", 0),
        ("ema_period", 1001),
        ("stop_loss", Decimal(0)),
        ("stop_loss", Decimal(1)),
        ("interval", "5m"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: Any) -> None:
    assert list(wrong_parameters({**RIGHT, name: value}, ["1m"])) == [name]
