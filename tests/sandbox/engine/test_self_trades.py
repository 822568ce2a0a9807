"""Orders of ours that would meet each other. Source: protocol D.11."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.errors import ApiError
from tests.sandbox.engine.bench import EngineBench


def crossed(mode: str) -> tuple[EngineBench, list[str]]:
    """A sell of 1 rests at 101, behind the book's own; a buy of 3 comes, up to 102."""
    bench = EngineBench(fee="0")
    resting = bench.place_order("LIMIT", "SELL", quantity=1, price=101)
    bench.market.order_book(bench.now_ms).asks.pop(0)
    assert resting.is_resting
    bench.pop_reports()
    bench.place_order("LIMIT", "BUY", quantity=3, price=102, stp_mode=mode)
    return bench, bench.pop_reports()


MODES = [
    ("EXPIRE_MAKER", ("EXPIRED_IN_MATCH", 0, 1), ("PARTIALLY_FILLED", 1, 0)),
    ("EXPIRE_TAKER", ("NEW", 0, 0), ("EXPIRED_IN_MATCH", 0, 3)),
    ("EXPIRE_BOTH", ("EXPIRED_IN_MATCH", 0, 1), ("EXPIRED_IN_MATCH", 0, 3)),
    ("DECREMENT", ("EXPIRED_IN_MATCH", 0, 1), ("PARTIALLY_FILLED", 1, 1)),
    ("TRANSFER", ("EXPIRED_IN_MATCH", 0, 1), ("PARTIALLY_FILLED", 1, 1)),
]


@pytest.mark.parametrize(("mode", "maker", "taker"), MODES)
def test_we_never_trade_with_ourselves(
    mode: str, maker: tuple[str, int, int], taker: tuple[str, int, int]
) -> None:
    bench, received = crossed(mode)
    orders = bench.engine.orders.values()
    states: list[Any] = [(o.status, o.executed, o.prevented) for o in orders]
    assert states == [maker, taker]
    locked = sum(order.remaining for order in orders if order.is_open and not order.request.is_buy)
    cost = sum(order.remaining * 102 for order in orders if order.is_open and order.request.is_buy)
    assert (bench.balance("BTC")[1], bench.balance("USDT")[1]) == (locked, cost)
    assert received[0] == "NEW NEW"
    assert any(report.startswith("TRADE_PREVENTION") for report in received)


def test_a_prevented_trade_is_reported() -> None:
    bench = EngineBench()
    resting = bench.place_order("LIMIT", "SELL", quantity=2, price=101)
    bench.market.order_book(bench.now_ms).asks.clear()
    bench.outbox.clear()
    taker = bench.place_order("LIMIT", "BUY", quantity="0.5", price=101, stp_mode="DECREMENT")
    reports = [event for event in bench.outbox if event.get("x") == "TRADE_PREVENTION"]
    first, second = reports
    assert (first["i"], first["U"], first["X"]) == (resting.order_id, taker.order_id, "NEW")
    assert (second["i"], second["X"]) == (taker.order_id, "EXPIRED_IN_MATCH")
    assert {report["B"] for report in reports} == {"0.50000000"}
    assert resting.remaining == Decimal("1.5")


def test_a_limit_maker_that_would_meet_our_own_order_is_refused() -> None:
    bench = EngineBench()
    bench.place_order("LIMIT", "SELL", quantity=1, price=101)
    bench.market.order_book(bench.now_ms).asks.clear()
    with pytest.raises(ApiError, match="immediately match"):
        bench.place_order("LIMIT_MAKER", "BUY", quantity=1, price=101)
