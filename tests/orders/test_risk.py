"""Every denial shows, and none without cause."""

from dataclasses import replace
from decimal import Decimal

import pytest

from market.rules import SymbolRules
from market.ticks import Side
from orders.risk import Circumstances, Intent, deny, quantity_of
from tests.builders import FILTERS, NOON_MS

BUY = Intent("t-1", "A", 1, Side.BUY, Decimal(60000), Decimal("0.1"), NOON_MS + 1000)
SELL = replace(BUY, side=Side.SELL)
FREE = Circumstances(
    now_ms=NOON_MS,
    trading_enabled=True,
    entries_halted=False,
    symbol_status="TRADING",
    base_asset="BTC",
    order_quantity=None,
    rules=SymbolRules.from_filters(FILTERS),
    held=None,
    live=frozenset(),
)
HOLDING = replace(FREE, held=Decimal("0.0010099"))


def test_an_entry_and_an_exit_pass_where_nothing_is_against_them() -> None:
    assert deny(BUY, FREE) is None
    assert deny(SELL, HOLDING) is None


@pytest.mark.parametrize(
    ("code", "intent", "circumstances"),
    [
        ("trading_disabled", BUY, replace(FREE, trading_enabled=False)),
        ("trading_disabled", SELL, replace(HOLDING, trading_enabled=False)),
        ("halted", BUY, replace(FREE, entries_halted=True)),
        ("stale_signal", BUY, replace(FREE, now_ms=NOON_MS + 1001)),
        ("symbol_not_trading", SELL, replace(HOLDING, symbol_status="BREAK")),
        ("position_open", BUY, HOLDING),
        ("position_open", BUY, replace(FREE, live=frozenset({Side.BUY}))),
        ("order_open", BUY, replace(FREE, live=frozenset({Side.SELL}))),
        ("order_open", SELL, replace(HOLDING, live=frozenset({Side.SELL}))),
        ("order_open", SELL, replace(FREE, live=frozenset({Side.BUY}))),
        ("nothing_to_sell", SELL, FREE),
        ("below_minimum", SELL, replace(HOLDING, held=Decimal("0.000009"))),
        ("filter_unmet", BUY, replace(FREE, order_quantity=Decimal("0.000015"))),
    ],
)
def test_a_denial_has_its_code(code: str, intent: Intent, circumstances: Circumstances) -> None:
    denial = deny(intent, circumstances)
    assert denial is not None
    assert denial.code == code


def test_an_exit_passes_the_halt_of_entries() -> None:
    assert deny(SELL, replace(HOLDING, entries_halted=True)) is None


def test_an_exit_sells_what_is_held_floored_to_the_step() -> None:
    assert quantity_of(SELL, HOLDING) == Decimal("0.00100")


@pytest.mark.parametrize("text", ["", "a b", "ümlaut", "x" * 37])
def test_an_id_that_the_exchange_would_refuse_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="client order id"):
        replace(BUY, client_order_id=text)
