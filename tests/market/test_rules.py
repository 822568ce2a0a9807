"""Trading rules: what may be ordered, and how much."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.rules import SymbolRules

LOT = {"filterType": "LOT_SIZE", "minQty": "0.00010", "maxQty": "9000", "stepSize": "0.00010"}
MARKET_LOT = {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "120.5", "stepSize": "0"}
NOTIONAL = {
    "filterType": "NOTIONAL",
    "minNotional": "5.00",
    "applyMinToMarket": True,
    "maxNotional": "9000000",
    "applyMaxToMarket": False,
}
RULES = SymbolRules.from_filters([LOT, MARKET_LOT, NOTIONAL, {"filterType": "T_PLUS_SELL"}])


def test_what_is_sold_is_floored_to_the_step() -> None:
    assert RULES.sellable(Decimal("0.00129")) == Decimal("0.0012")


def test_no_more_is_held_than_the_largest_position() -> None:
    rules = SymbolRules.from_filters([{"filterType": "MAX_POSITION", "maxPosition": "10.00"}])
    assert rules.position_violation(Decimal(10)) is None
    assert rules.position_violation(Decimal("10.1")) == (
        "MAX_POSITION: 10.1 on the account is above maxPosition 10"
    )
    off = SymbolRules.from_filters([{"filterType": "MAX_POSITION", "maxPosition": "0.00"}])
    assert RULES.position_violation(Decimal(10**9)) is off.position_violation(Decimal(1)) is None


def test_what_is_too_little_is_not_sold() -> None:
    assert RULES.sellable(Decimal("0.00009")) == 0
    assert RULES.sellable(Decimal("-1")) == 0


def test_no_more_is_sold_than_one_market_order_takes() -> None:
    assert RULES.sellable(Decimal("120.5")) == Decimal("120.5")


def test_what_is_above_the_maximum_is_sold_in_equal_parts() -> None:
    assert RULES.sellable(Decimal("200")) == Decimal(100)
    assert RULES.sellable(Decimal("120.5001")) == Decimal("60.25")


def test_a_largest_notional_splits_a_sale_too() -> None:
    rules = SymbolRules.from_filters([LOT, NOTIONAL | {"applyMaxToMarket": True}])
    amount = rules.sellable(Decimal(300), Decimal(60_000))
    assert (amount, amount * 60_000 < 9_000_000) == (Decimal(100), True)


def test_what_a_sale_leaves_is_dust_where_another_might_be_refused() -> None:
    assert RULES.is_dust(Decimal("0.001"), Decimal(5249))
    assert not RULES.is_dust(Decimal("0.001"), Decimal(5250))
    assert RULES.is_dust(Decimal("0.00009"), Decimal(90_000))


def test_an_amount_below_the_smallest_notional_cannot_be_sold_at_that_price() -> None:
    assert RULES.sellable(Decimal("0.0001"), Decimal("60000")) == Decimal("0.0001")
    assert RULES.sellable(Decimal("0.0001"), Decimal("40000")) == 0


@pytest.mark.parametrize(
    ("quantity", "price", "named"),
    [
        ("0.00005", "100000", "LOT_SIZE: 0.00005 is below minQty 0.0001"),
        ("9001", "1", "LOT_SIZE: 9001 is above maxQty 9000"),
        ("121", "1", "MARKET_LOT_SIZE: 121 is above maxQty 120.5"),
        ("0.00015", "100000", "LOT_SIZE: 0.00015 is no multiple of 0.0001"),
        ("0.001", "4999", "NOTIONAL: 4.999 is below minNotional 5"),
        ("0", "1", "quantity 0 is not above 0"),
    ],
)
def test_a_refusal_names_the_filter_and_its_values(quantity: str, price: str, named: str) -> None:
    assert RULES.violation(Decimal(quantity), Decimal(price)) == named


def test_what_obeys_every_filter_is_not_refused() -> None:
    assert RULES.violation(Decimal("0.001"), Decimal("5250")) is None


def test_an_order_that_the_exchange_may_find_too_small_is_not_sent() -> None:
    near = RULES.violation(Decimal("0.001"), Decimal(5000))
    assert near == (
        "NOTIONAL: 5 is below minNotional 5, or too near it: the exchange's price may differ by 5 %"
    )


def test_an_older_symbol_has_min_notional() -> None:
    wire = {"filterType": "MIN_NOTIONAL", "minNotional": "10.0", "applyToMarket": True}
    rules = SymbolRules.from_filters([wire])
    assert rules.violation(Decimal(1), Decimal(9)) == "MIN_NOTIONAL: 9 is below minNotional 10"


def test_a_bound_that_leaves_market_orders_alone_is_not_applied() -> None:
    rules = SymbolRules.from_filters([NOTIONAL | {"applyMinToMarket": False}])
    assert rules.violation(Decimal(1), Decimal(1)) is None


def test_btc_and_eth_have_fixed_sizes_and_the_operator_overrides() -> None:
    assert RULES.order_quantity("BTC", None, Decimal(60000)) == Decimal("0.001")
    assert RULES.order_quantity("ETH", None, Decimal(2500)) == Decimal("0.01")
    assert RULES.order_quantity("BTC", Decimal("0.5"), Decimal(60000)) == Decimal("0.5")


def test_two_steps_are_obeyed_together() -> None:
    rules = SymbolRules.from_filters([LOT | {"stepSize": "0.4"}, MARKET_LOT | {"stepSize": "0.6"}])
    assert rules.sellable(Decimal("3.5")) == Decimal("2.4")


@given(
    price=st.decimals("0.00000001", "200000", places=8),
    step=st.sampled_from(["0.00001", "0.01", "0.1", "1", "100", "0.00000001"]),
    smallest=st.sampled_from(["0.0001", "1", "5", "10"]),
)
def test_any_other_order_is_the_smallest_worth_ten_smallest_notionals(
    price: Decimal, step: str, smallest: str
) -> None:
    lot = {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "0", "stepSize": step}
    notional = NOTIONAL | {"minNotional": smallest}
    quantity = SymbolRules.from_filters([lot, notional]).order_quantity("XRP", None, price)
    assert quantity % Decimal(step) == 0
    assert quantity * price >= 10 * Decimal(smallest)
    less = quantity - Decimal(step)
    assert less < Decimal(step) or less * price < 10 * Decimal(smallest)
