"""Strategies A and B: who governs their parameters."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from strategies.models import Strategy
from strategies.services import ensure_variants

pytestmark = pytest.mark.django_db


def test_both_variants_are_made_from_the_settings() -> None:
    ensure_variants()
    rows = Strategy.objects.values_list("name", "sma_period", "ema_period", "stop_loss")
    assert list(rows) == [("A", 10, 5, Decimal("0.15")), ("B", 10, 5, Decimal("0.10"))]


def test_what_is_unset_is_governed_by_the_admin() -> None:
    ensure_variants()
    Strategy.objects.filter(name="A").update(sma_period=20, stop_loss="0.3")
    ensure_variants()
    a = Strategy.objects.get(name="A")
    assert (a.sma_period, a.stop_loss) == (20, Decimal("0.3"))


def test_what_is_set_governs_at_every_start(settings: Settings) -> None:
    ensure_variants()
    settings.SMA_PERIOD, settings.VARIANT_A_SL = 30, Decimal("0.2")
    settings.SET_STRATEGY_PARAMETERS = frozenset({"SMA_PERIOD", "VARIANT_A_SL"})
    Strategy.objects.filter(name="A").update(ema_period=7)
    ensure_variants()
    a, b = Strategy.objects.all()
    assert (a.sma_period, a.ema_period, a.stop_loss) == (30, 7, Decimal("0.2"))
    assert (b.sma_period, b.stop_loss) == (30, Decimal("0.1"))
