"""Every denial shows, and none without cause."""

from dataclasses import replace
from decimal import Decimal

import pytest

from market.rules import SymbolRules
from market.ticks import Side
from orders.core.risk import Intent, Limits, RiskContext, check_intent, quantity_of
from tests.builders import FILTERS, NOON_MS

BUY = Intent("t-1", "A", 1, Side.BUY, Decimal(60000), Decimal("0.1"), NOON_MS + 1000)
SELL = replace(BUY, side=Side.SELL)
FREE = RiskContext(
    now_ms=NOON_MS,
    trading_enabled=True,
    entries_halted=False,
    symbol_status="TRADING",
    base_asset="BTC",
    order_quantity=None,
    rules=SymbolRules.from_filters(FILTERS),
    held=None,
    live_sides=frozenset(),
)
BOUNDED = replace(FREE.rules, max_position=Decimal("0.5"))
LIMITED = replace(
    FREE,
    quote_asset="USDT",
    limits=Limits(entries_per_hour=3, daily_loss=Decimal(50), price_move=Decimal("0.02")),
)
HOLDING = replace(FREE, held=Decimal("0.0010099"))


def test_an_entry_and_an_exit_pass_where_nothing_is_against_them() -> None:
    assert check_intent(BUY, FREE) is None
    assert check_intent(SELL, HOLDING) is None


@pytest.mark.parametrize(
    ("code", "intent", "circumstances"),
    [
        ("trading_disabled", BUY, replace(FREE, trading_enabled=False)),
        ("trading_disabled", SELL, replace(HOLDING, trading_enabled=False)),
        ("halted", BUY, replace(FREE, entries_halted=True)),
        ("stale_signal", BUY, replace(FREE, now_ms=NOON_MS + 1001)),
        ("symbol_not_trading", SELL, replace(HOLDING, symbol_status="BREAK")),
        ("position_open", BUY, HOLDING),
        ("position_open", BUY, replace(FREE, live_sides=frozenset({Side.BUY}))),
        ("order_open", BUY, replace(FREE, live_sides=frozenset({Side.SELL}))),
        ("order_open", SELL, replace(HOLDING, live_sides=frozenset({Side.SELL}))),
        ("order_open", SELL, replace(FREE, live_sides=frozenset({Side.BUY}))),
        ("nothing_to_sell", SELL, FREE),
        ("below_minimum", SELL, replace(HOLDING, held=Decimal("0.000009"))),
        ("filter_unmet", BUY, replace(FREE, order_quantity=Decimal("0.000015"))),
        ("filter_unmet", BUY, replace(FREE, rules=BOUNDED, account_position=Decimal("0.4991"))),
        ("clock_unknown", BUY, replace(FREE, clock_known=False)),
        ("loss_limit", BUY, replace(LIMITED, drawdown=Decimal(50))),
        ("loss_limit", BUY, replace(LIMITED, total_drawdown=Decimal(50))),
        ("too_many_entries", BUY, replace(LIMITED, entries=3)),
        ("price_moved", BUY, replace(LIMITED, last_price=Decimal("61200.01"))),
        ("price_moved", BUY, replace(LIMITED, last_price=Decimal("58799.99"))),
        ("balance_too_low", BUY, replace(LIMITED, free_balance=Decimal("59.99"))),
    ],
)
def test_a_denial_has_its_code(code: str, intent: Intent, circumstances: RiskContext) -> None:
    denial = check_intent(intent, circumstances)
    assert denial is not None
    assert denial.code == code


def test_what_limits_entries_lets_exits_pass() -> None:
    worst = replace(
        LIMITED,
        held=HOLDING.held,
        entries_halted=True,
        clock_known=False,
        entries=9,
        drawdown=Decimal(99),
        total_drawdown=Decimal(99),
        free_balance=Decimal(0),
        last_price=Decimal(1),
    )
    assert check_intent(SELL, worst) is None


def test_an_entry_within_its_limits_passes() -> None:
    nearly = replace(
        LIMITED,
        entries=2,
        drawdown=Decimal("49.99"),
        total_drawdown=Decimal("49.99"),
        free_balance=Decimal(60),
        last_price=Decimal(61200),
    )
    assert check_intent(BUY, nearly) is None


def test_a_limit_that_is_off_denies_nothing() -> None:
    far = replace(LIMITED, entries=9, drawdown=Decimal(99), last_price=Decimal(1))
    assert check_intent(BUY, replace(far, limits=Limits())) is None


def test_a_denial_says_what_is_and_what_the_limit_is() -> None:
    lost = check_intent(BUY, replace(LIMITED, total_drawdown=Decimal("50.5")))
    poor = check_intent(BUY, replace(LIMITED, free_balance=Decimal(-3)))
    moved = check_intent(BUY, replace(LIMITED, last_price=Decimal(62000)))
    assert [str(denial) for denial in (lost, poor, moved)] == [
        "loss_limit: all strategies together lost 50.5 USDT from the day's peak, "
        "MAX_DAILY_LOSS is 50",
        "balance_too_low: 60 USDT are needed, 0 are free",
        "price_moved: from 60000 to 62000 since the signal, MAX_PRICE_MOVE is 0.02",
    ]


def test_an_exit_sells_what_is_held_floored_to_the_step() -> None:
    assert quantity_of(SELL, HOLDING) == Decimal("0.00100")


@pytest.mark.parametrize("text", ["", "a b", "ümlaut", "x" * 37])
def test_an_id_that_the_exchange_would_refuse_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="client order id"):
        replace(BUY, client_order_id=text)
