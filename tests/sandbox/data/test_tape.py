"""Trades found by time, also where a fault has dated some back."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from sandbox.data.tape import AggTrade, Tape, Trade, group_trades

TIMES = st.lists(st.integers(0, 20), min_size=1, max_size=30)
BOUND = st.none() | st.integers(-1, 21)


def taped(times: list[int]) -> Tape:
    tape = Tape(1_000)
    for place, time_ms in enumerate(times):
        tape.record(group_trades(place, [Trade(place, time_ms, Decimal(1), Decimal(1), False)]))
    return tape


def within(aggs: list[AggTrade], start_ms: int | None, end_ms: int | None) -> list[AggTrade]:
    low, high = -1 if start_ms is None else start_ms, 21 if end_ms is None else end_ms
    return [agg for agg in aggs if low <= agg.time_ms <= high]


@given(TIMES | TIMES.map(sorted), BOUND, BOUND, st.integers(1, 40))
def test_what_lies_between_two_times_is_found_in_order_of_id(
    times: list[int], start_ms: int | None, end_ms: int | None, limit: int
) -> None:
    tape = taped(times)
    wanted = within(tape.aggs, start_ms, end_ms)
    wanted = wanted[-limit:] if start_ms is None else wanted[:limit]
    assert tape.between(tape.aggs, start_ms, end_ms, limit) == wanted


@given(TIMES | TIMES.map(sorted), st.integers(-1, 21))
def test_what_came_until_a_time_leaves_no_hole(times: list[int], until_ms: int) -> None:
    tape = taped(times)
    found = tape.until(tape.trades, until_ms)
    assert found == tape.trades[: len(found)]
    assert all(trade.time_ms <= until_ms for trade in found)
    assert all(trade.time_ms > until_ms for trade in tape.trades[len(found) :][:1])
