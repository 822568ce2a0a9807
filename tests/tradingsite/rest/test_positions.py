from decimal import Decimal
from typing import Any

import pytest
from redis import Redis

from market.models import Symbol
from orders.models import Position
from tests.builders import strategy, symbol, tick
from tests.clients import promised, redis_away, refused, stranger
from tests.rows import at, order, position, trade, write_stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


def ask(query: str = "", path: str = "/positions") -> Any:
    template = "/positions/{symbol}" if path.startswith("/positions/") else path
    return promised(stranger().get(f"{path}?{query}"), template)


def closed(of: Symbol, name: str = "A", minute: int = 1, **fields: Any) -> Position:
    """A position that was closed; without a quantity unless told."""
    nothing = {"quantity": Decimal(0), "cost": Decimal(0)}
    times = {"opened_at": at(minute), "closed_at": at(minute + 1), "status": "closed"}
    return position(of, name, **{**nothing, **times, **fields})


def test_an_open_position_is_valued_at_the_last_price(btc: Symbol, redis: Redis) -> None:
    position(btc, "A", cost=Decimal("60.06"), realised=Decimal("-1.50"))
    write_stream(redis, [tick("61000.123")])
    [answered] = ask()["results"]
    assert (answered["last_price"], answered["unrealised"]) == ("61000.123", "0.940123")
    assert (answered["realised"], answered["stop_price"]) == ("-1.5", "54000")
    assert answered["closed_at"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"A"}),
        ("status=open", {"A"}),
        ("status=closed", {"B"}),
        ("status=all", {"A", "B"}),
        ("status=all&strategy=B", {"B"}),
        ("status=all&start=2026-01-02T12:01:00Z", {"B"}),
    ],
)
def test_positions_are_filtered(btc: Symbol, redis: Redis, query: str, found: Any) -> None:
    position(btc, "A")
    closed(btc, "B")
    assert {one["strategy"] for one in ask(query)["results"]} == found


def test_positions_of_one_symbol(btc: Symbol, redis: Redis) -> None:
    position(btc)
    position(symbol("ETHUSDT"))
    assert [one["symbol"] for one in ask(path="/positions/btcusdt")["results"]] == ["BTCUSDT"]
    assert [one["symbol"] for one in ask("symbol=ETHUSDT")["results"]] == ["ETHUSDT"]
    refused(stranger().get("/positions/NOPE"), 404, "unknown_symbol")
    refused(stranger().get("/positions/BTCUSDT?symbol=ETHUSDT"), 400, "bad_parameter")
    refused(stranger().get("/positions?status=half"), 400, "bad_parameter")


def test_closed_positions_come_in_pages_newest_first(btc: Symbol, redis: Redis) -> None:
    made = [closed(btc, minute=minute).pk for minute in range(5)]
    page = ask("status=closed&limit=3")
    rest = promised(stranger().get(page["next"]), "/positions")
    assert [one["id"] for one in [*page["results"], *rest["results"]]] == made[::-1]
    assert page["results"][0]["unrealised"] is None


def test_without_redis_positions_are_shown_unpriced(btc: Symbol) -> None:
    position(btc)
    with redis_away():
        [answered] = ask()["results"]
        [total] = ask(path="/performance")["total"]
    assert (answered["quantity"], answered["last_price"]) == ("0.001", None)
    assert (total["unpriced"], total["unrealised"]) == (1, "0")


def test_performance_counts_each_strategy_and_all_together(btc: Symbol, redis: Redis) -> None:
    strategy("A"), strategy("B")
    closed(btc, "A", 1, realised=Decimal(3), fees=Decimal("0.10"))
    closed(btc, "A", 2, realised=Decimal(-1))
    held = position(btc, "B")
    trade(order(btc, strategy="B"), held)
    write_stream(redis, [tick("61000")])
    answer = ask(path="/performance")
    a, b = answer["strategies"]
    assert (a["strategy"], a["quote_asset"], a["realised"], a["win_rate"]) == (
        "A",
        "USDT",
        "2",
        "0.5",
    )
    assert a["equity"][0] == {"time": "2026-01-02T12:02:00.000Z", "equity": "3"}
    assert (b["strategy"], b["unrealised"], b["closed"], b["win_rate"]) == ("B", "1", 0, None)
    [total] = answer["total"]
    assert (total["pnl"], total["positions"], total["fees"]) == ("3", 3, "0.1")
    assert total["maximum_drawdown"] == "1"


def test_amounts_in_different_assets_are_never_added_up(btc: Symbol, redis: Redis) -> None:
    closed(btc, realised=Decimal(5))
    closed(symbol("ETHBTC", quote_asset="BTC"), realised=Decimal("0.1"))
    total = {one["quote_asset"]: one["realised"] for one in ask(path="/performance")["total"]}
    assert total == {"USDT": "5", "BTC": "0.1"}


def test_a_strategy_that_never_traded_has_figures_too(btc: Symbol, redis: Redis) -> None:
    strategy("A")
    [figures] = ask(path="/performance")["strategies"]
    assert (figures["positions"], figures["pnl"], figures["equity"]) == (0, "0", [])


def test_a_fee_in_a_third_asset_enters_at_its_last_price(btc: Symbol, redis: Redis) -> None:
    symbol("BNBUSDT")
    sold = closed(btc, realised=Decimal(5))
    for number in (1, 2):
        own: dict[str, Any] = {"commission": Decimal("0.001"), "commission_asset": "BNB"}
        trade(order(btc, number), sold, number, **own)
    write_stream(redis, [tick("600", symbol="BNBUSDT")])
    [total] = ask(path="/performance")["total"]
    assert total["other_fees"] == [{"asset": "BNB", "amount": "0.002", "value": "1.2"}]
    assert (total["realised"], total["fees"], total["pnl"]) == ("5", "0", "3.8")
    assert total["expectancy"] == total["equity"][0]["equity"] == "3.8"


def test_a_fee_without_a_price_is_shown_apart(btc: Symbol, redis: Redis) -> None:
    own: dict[str, Any] = {"commission": Decimal("0.001"), "commission_asset": "BNB"}
    trade(order(btc), closed(btc, realised=Decimal(5)), **own)
    [total] = ask(path="/performance")["total"]
    assert total["other_fees"] == [{"asset": "BNB", "amount": "0.001", "value": None}]
    assert total["pnl"] == "5"


def test_performance_tells_how_long_orders_took(btc: Symbol, redis: Redis) -> None:
    order(btc, timeline={"received": 1_000, "committed": 1_005, "sent": 1_006})
    latency = ask(path="/performance")["latency"]
    assert latency["total"] == {"measured": 1, "p50": 6, "p90": 6, "p99": 6}
    assert latency["closed"]["measured"] == 0
