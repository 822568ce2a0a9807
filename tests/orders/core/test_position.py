"""Positions: what fills make of them, to the last digit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from foundation.decimals import EXACT, ZERO
from market.ticks import Side
from orders.core.position import Fill, PositionState, stop_price
from tests.builders import decimals, fill

EMPTY = PositionState("BTC", "USDT")


def test_a_buy_and_a_sale_leave_the_difference() -> None:
    bought = EMPTY.after(fill(1, Side.BUY, "100", "2"))
    sold = bought.after(fill(2, Side.SELL, "110", "2"))
    assert (bought.quantity, bought.cost, bought.entry_price) == decimals("2", "200", "100")
    assert (sold.quantity, sold.cost, sold.realised) == decimals("0", "0", "20")


def test_a_fee_in_base_asset_leaves_less_to_sell() -> None:
    bought = EMPTY.after(fill(1, Side.BUY, "100", "2", "0.002", "BTC"))
    assert bought.quantity == Decimal("1.998")
    assert (bought.cost, bought.fees) == decimals("200", "0.2")


def test_fees_in_quote_asset_count_into_cost_and_gain() -> None:
    bought = EMPTY.after(fill(1, Side.BUY, "100", "2", "0.2"))
    sold = bought.after(fill(2, Side.SELL, "100", "2", "0.3"))
    assert bought.cost == Decimal("200.2")
    assert (sold.realised, sold.fees) == (Decimal("-0.5"), Decimal("0.5"))


def test_a_fee_in_a_third_asset_moves_neither_quote_nor_base() -> None:
    bought = EMPTY.after(fill(1, Side.BUY, "100", "2", "0.01", "BNB"))
    assert (bought.quantity, bought.cost, bought.fees) == decimals("2", "200", "0")


def test_the_entry_is_the_average_of_the_buys() -> None:
    state = EMPTY.after(fill(1, Side.BUY, "100", "1")).after(fill(2, Side.BUY, "103", "2"))
    assert state.entry_price == 102
    assert stop_price(state.entry_price, Decimal("0.15")) == Decimal("86.7")


def test_a_partial_sale_takes_its_share_of_the_cost() -> None:
    state = EMPTY.after(fill(1, Side.BUY, "100", "3")).after(fill(2, Side.SELL, "120", "1"))
    assert (state.quantity, state.cost, state.realised) == decimals("2", "200", "20")


amounts = st.decimals("0.00000001", "9000", places=8)
fills = st.builds(
    fill,
    trade_id=st.integers(1),
    side=st.sampled_from(Side),
    price=st.decimals("0.00000001", "1000000", places=8),
    quantity=amounts,
    commission=st.decimals("0", "10", places=8),
    commission_asset=st.sampled_from(["BTC", "USDT", "BNB"]),
)


@given(st.lists(fills, max_size=30))
def test_realised_less_cost_is_the_cash_that_moved(run: list[Fill]) -> None:
    state, cash, base = EMPTY, ZERO, ZERO
    for one in run:
        state = state.after(one)
        sign = 1 if one.side is Side.SELL else -1
        quote_fee = one.commission if one.commission_asset == "USDT" else ZERO
        base_fee = one.commission if one.commission_asset == "BTC" else ZERO
        cash = EXACT.add(cash, EXACT.subtract(sign * one.quote_quantity, quote_fee))
        base = EXACT.subtract(EXACT.subtract(base, sign * one.quantity), base_fee)
    assert EXACT.subtract(state.realised, state.cost) == cash
    assert state.quantity == base
