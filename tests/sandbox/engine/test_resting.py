"""Orders that wait: for the market to pass them, or for their trigger. Source: protocol D.7."""

from decimal import Decimal

import pytest

from sandbox.errors import ApiError
from tests.sandbox.engine.bench import EngineBench

TRIGGERS = [
    ("STOP_LOSS", "BUY", 105, 104, 105),
    ("STOP_LOSS", "SELL", 95, 96, 95),
    ("TAKE_PROFIT", "BUY", 95, 96, 94),
    ("TAKE_PROFIT", "SELL", 105, 104, 106),
]


def test_a_resting_order_fills_as_the_market_trades_beyond_it() -> None:
    bench = EngineBench(fee="0")
    order = bench.place_order("LIMIT", "SELL", quantity=1, price=110)
    bench.trade(110, 5)  # at its price others stand before it
    assert (order.status, bench.balance("BTC")) == ("NEW", (9, 1))
    bench.trade(111, "0.4")
    assert (order.status, bench.balance("BTC")) == ("PARTIALLY_FILLED", (9, Decimal("0.6")))
    bench.trade(112, 5)
    assert (order.status, bench.balance("BTC")) == ("FILLED", (9, 0))
    assert bench.balance("USDT") == (100_110, 0)
    assert all(fill.is_maker and fill.price == 110 for fill in order.fills)
    assert bench.pop_reports() == ["NEW NEW", "TRADE PARTIALLY_FILLED", "TRADE FILLED"]


def test_the_better_price_fills_first_then_the_older_order() -> None:
    bench = EngineBench()
    young = [bench.place_order("LIMIT", "BUY", quantity=1, price=price) for price in (90, 91, 90)]
    bench.trade(80, "1.5")
    assert [str(order.executed) for order in young] == ["0.5", "1", "0"]


def test_a_market_order_never_rests_and_pays_what_it_takes() -> None:
    bench = EngineBench(fee="0")
    order = bench.place_order("MARKET", "BUY", quantity="2.5")
    bought = [f"{fill.quantity} at {fill.price}" for fill in order.fills]
    assert bought == ["1 at 101", "1 at 102", "0.5 at 103"]
    assert bench.balance("USDT") == (100_000 - 101 - 102 - Decimal("51.5"), 0)
    deep = bench.place_order("MARKET", "SELL", quantity="10.5")
    assert (deep.status, bench.balance("BTC")) == ("EXPIRED", (Decimal("2.5"), 0))


@pytest.mark.parametrize(("kind", "side", "stop", "before", "hit"), TRIGGERS)
def test_a_trigger_waits_for_its_price_and_then_takes(
    kind: str, side: str, stop: int, before: int, hit: int
) -> None:
    bench = EngineBench(fee="0")
    order = bench.place_order(kind, side, quantity=1, stop_price=stop)
    bench.trade(before)
    assert (order.status, order.is_working, order.working_ms) == ("NEW", False, -1)
    bench.pop_reports()
    bench.trade(hit)
    assert (order.status, order.working_ms) == ("FILLED", bench.now_ms)
    assert not order.fills[0].is_maker
    assert bench.pop_reports() == ["NEW NEW", "TRADE FILLED"]
    assert (bench.balance("BTC")[1], bench.balance("USDT")[1]) == (0, 0)


def test_a_triggered_limit_order_rests_at_its_limit() -> None:
    bench = EngineBench()
    order = bench.place_order("STOP_LOSS_LIMIT", "SELL", quantity=1, price=99, stop_price=95)
    bench.trade(95)
    assert (order.status, order.is_working, order.is_resting) == ("NEW", True, True)
    bench.trade(100)
    assert order.status == "FILLED"


@pytest.mark.parametrize(("kind", "side", "stop", "before", "hit"), TRIGGERS)
def test_a_trigger_on_the_wrong_side_is_refused(
    kind: str, side: str, stop: int, before: int, hit: int
) -> None:
    bench = EngineBench()
    bench.trade(hit)
    with pytest.raises(ApiError, match="Order would trigger immediately"):
        bench.place_order(kind, side, quantity=1, stop_price=stop)


def test_a_triggered_buy_that_money_no_longer_covers_expires() -> None:
    bench = EngineBench()
    order = bench.place_order("STOP_LOSS", "BUY", quantity=5, stop_price=110)
    bench.place_order("LIMIT", "BUY", quantity=1105, price=90)
    bench.trade(115)
    assert (order.status, order.expiry_reason, order.fills) == ("EXPIRED", "REJECTED", [])


def test_a_cancel_frees_what_is_left_locked() -> None:
    bench = EngineBench(fee="0")
    order = bench.place_order("LIMIT", "BUY", quantity=2, price=90)
    bench.trade(89, "0.5")
    bench.engine.cancel_order(order, "gone", bench.market.rules, bench.now_ms)
    assert (order.status, order.executed) == ("CANCELED", Decimal("0.5"))
    assert bench.balance("USDT") == (100_000 - 45, 0)
    with pytest.raises(ApiError, match="Unknown order"):
        bench.engine.cancel_order(order, "again", bench.market.rules, bench.now_ms)


def test_fees_are_paid_in_another_asset_while_it_lasts() -> None:
    bench = EngineBench(fee="0.01", fee_asset="BNB")
    sold = bench.place_order("MARKET", "SELL", quantity=1)
    assert (sold.fills[0].commission_asset, sold.fills[0].commission) == (
        "BNB",
        Decimal("0.00198"),  # one percent of 99 USDT, at 500 a piece
    )
    assert bench.balance("USDT") == (100_099, 0)
    bench.engine.transfer("BNB", -bench.balance("BNB")[0], bench.now_ms)
    bought = bench.place_order("MARKET", "BUY", quantity=1)
    assert bought.fills[0].commission_asset == "BTC"
