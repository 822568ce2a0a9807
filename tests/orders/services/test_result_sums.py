"""Figures out of kept sums: the same, to the digit, as if every position were looked at anew."""

from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from statistics import mean, stdev
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from market.models import Symbol
from orders.core.performance import PositionResult, performance
from orders.core.sums import MAX_POINTS, ClosedSums
from orders.models import Position, ResultSums
from orders.services import kept_sums, position_results, sum_up
from orders.services.result_sums import BATCH
from tests.builders import NOON, symbol
from tests.clients import promised, stranger
from tests.rows import at, order, position, trade

LATER = NOON + timedelta(days=30)
amounts = st.decimals("-100", "100", places=6)


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


def closed(of: Symbol, strategy: str = "A", minute: float = 1, **fields: Any) -> Position:
    nothing = {"quantity": Decimal(0), "cost": Decimal(0)}
    times = {"opened_at": at(minute), "closed_at": at(minute), "status": "closed"}
    return position(of, strategy, **{**nothing, **times, **fields})


def figures() -> tuple[dict[str, Any], dict[str, Any]]:
    """All strategies' figures in USDT out of the sums, and of every position anew."""
    kept = kept_sums()
    rest = position_results({}, among=kept.rest)
    anew = position_results({})

    def together(found: Any) -> list[PositionResult]:
        return [one for key, own in found.items() if key[1] == "USDT" for one in own]

    return (
        performance(together(rest), kept.by_key.get(("", "USDT"))),
        performance(together(anew)),
    )


def result(net: Decimal, number: int, invested: Decimal = Decimal(100)) -> PositionResult:
    return PositionResult(invested, net, Decimal(0), Decimal("0.1"), number)


@given(st.lists(amounts, max_size=40), st.data())
def test_sums_kept_anywhere_change_no_figure(nets: list[Decimal], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(nets)))
    results = [result(net, number) for number, net in enumerate(nets)]
    sums = ClosedSums()
    for one in results[:cut]:
        sums.add_position(one.net, one.realised, one.fees, one.invested, one.closed_ms or 0)
    stored = ClosedSums.from_json(sums.as_json())
    assert performance(results[cut:], stored) == performance(results)


@given(st.lists(amounts, min_size=2, max_size=40))
def test_figures_are_what_their_definitions_say(nets: list[Decimal]) -> None:
    found = performance([result(net, number) for number, net in enumerate(nets)])
    curve = list(accumulate(nets, initial=Decimal(0)))
    falls = [max(curve[: n + 1]) - value for n, value in enumerate(curve)]
    assert Decimal(found["maximum_drawdown"]) == max(falls)
    assert [Decimal(point["equity"]) for point in found["equity"]] == curve[1:]
    returns = [net / 100 for net in nets]
    if len(set(nets)) > 1:
        ratio = mean(returns) / stdev(returns)
        assert abs(Decimal(found["sharpe"]) - ratio) < Decimal("1e-7") * (1 + abs(ratio))
    else:
        assert found["sharpe"] is None


def test_a_long_curve_is_thinned_and_keeps_both_ends() -> None:
    found = performance([result(Decimal(1), number) for number in range(10_000)])
    assert MAX_POINTS / 2 < len(found["equity"]) <= MAX_POINTS + 1
    assert found["equity"][0] == {"time_ms": 0, "equity": "1"}
    assert found["equity"][-1] == {"time_ms": 9_999, "equity": "10000"}


def test_a_mean_of_tiny_amounts_keeps_digits() -> None:
    tiny = [result(Decimal("0.000000004"), 1), result(Decimal("0.000000003"), 2)]
    assert performance(tiny)["expectancy"] == "0.0000000035"


@pytest.mark.thorough
@pytest.mark.django_db
@settings(suppress_health_check=list(HealthCheck), max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("AB"), amounts), max_size=12), st.data())
def test_figures_out_of_the_table_are_those_of_every_position(
    btc: Symbol, nets: list[tuple[str, Decimal]], data: st.DataObject
) -> None:
    Position.objects.all().delete()
    ResultSums.objects.all().delete()
    for minute, (strategy, net) in enumerate(nets):
        closed(btc, strategy, minute, realised=net)
        if data.draw(st.booleans()):
            sum_up(LATER)
        kept, anew = figures()
        assert kept == anew


@pytest.mark.thorough
@pytest.mark.django_db
def test_summed_positions_are_not_read_again(btc: Symbol) -> None:
    Position.objects.bulk_create(
        Position(
            symbol=btc, strategy="A", status="closed", entry_price=1, realised=n % 7 - 3,
            opened_at=at(n), closed_at=at(n),
        )
        for n in range(2 * BATCH + 10)
    )  # fmt: skip
    sum_up(LATER)
    assert position_results({}, among=kept_sums().rest) == {}
    kept, anew = figures()
    assert kept == anew
    with CaptureQueriesContext(connection) as queries:
        sum_up(LATER)
    assert len(queries) <= 3
    assert not any(query["sql"].startswith(("UPDATE", "INSERT")) for query in queries)


@pytest.mark.django_db
def test_a_fill_that_comes_late_has_all_summed_anew(btc: Symbol) -> None:
    first, _ = closed(btc, minute=1, realised=Decimal(3)), closed(btc, minute=2)
    sum_up(LATER)
    first.refresh_from_db()
    first.realised = Decimal(5)
    first.save()
    assert kept_sums().by_key == {}
    sum_up(LATER)
    kept, anew = figures()
    assert kept == anew
    assert kept["realised"] == "5"


@pytest.mark.django_db
def test_a_position_that_closed_earlier_than_known_has_all_summed_anew(btc: Symbol) -> None:
    closed(btc, minute=5, realised=Decimal(-3))
    sum_up(LATER)
    closed(btc, minute=1, realised=Decimal(4))
    sum_up(LATER)
    kept, anew = figures()
    assert kept == anew
    assert kept["equity"][0]["equity"] == "4"


@pytest.mark.django_db
def test_a_quote_asset_with_a_fee_in_a_third_asset_is_looked_at_anew(
    btc: Symbol, redis: Redis
) -> None:
    sold = closed(btc, realised=Decimal(5))
    trade(order(btc), sold, commission=Decimal("0.001"), commission_asset="BNB")
    closed(symbol("ETHBTC", quote_asset="BTC"), realised=Decimal("0.00004"))
    sum_up(LATER)
    assert kept_sums().without == {"USDT"}
    kept, anew = figures()
    assert kept == anew
    totals = promised(stranger().get("/performance"), "/performance")["total"]
    assert [(one["quote_asset"], one["pnl"]) for one in totals] == [
        ("BTC", "0.00004"),
        ("USDT", "5"),
    ]
    assert ResultSums.objects.count() == 5  # both assets', each strategy's and all's, and one above
