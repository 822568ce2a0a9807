"""Events that go wrong on demand on the streams, while REST stays right."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.sandbox import expected
from tests.sandbox.venue import (
    Json,
    Venue,
    receive_closed_klines,
    receive_events,
    receive_events_since,
    receive_until,
    replaying_trades,
)


def first_of(data: Json) -> Json:
    """An event, or the first of an array of them."""
    return data[0] if isinstance(data, list) else data


@pytest.mark.parametrize(("fault", "copies"), [("skip_ids", 0), ("duplicate", 2)])
def test_ids_are_missing_or_doubled_on_the_stream_and_whole_in_rest(
    venue: Venue, fault: str, copies: int
) -> None:
    socket = venue.socket("/ws/btcusdt@aggTrade")
    start = receive_events(socket, 1)[0]["a"]
    since_ms = venue.inject_fault(fault, symbol="BTCUSDT", count=3)["time_ms"]
    seen = [event["a"] for event in receive_events_since(socket, since_ms, 12)]
    wrong = [a for a in range(start + 1, max(seen)) if seen.count(a) != 1]
    assert len(wrong) == 3
    assert {seen.count(a) for a in wrong} == {copies}
    stored = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", fromId=start, limit=40)
    assert [row["a"] for row in stored] == list(range(start, start + len(stored)))


def test_swapped_trades_come_each_after_its_successor_in_both_streams(venue: Venue) -> None:
    socket = venue.socket("/stream?streams=btcusdt@aggTrade/btcusdt@trade")
    receive_events(socket, 1)
    since_ms = venue.inject_fault("reorder", symbol="BTCUSDT", count=3)["time_ms"]
    seen = [event["data"] for event in receive_events_since(socket, since_ms, 60)]
    aggs = [event["a"] for event in seen if event["e"] == "aggTrade"]
    assert sorted(aggs) == list(range(min(aggs), max(aggs) + 1))
    swapped = [(left, right) for left, right in pairwise(aggs) if left > right]
    assert len(swapped) == 3
    assert all(left == right + 1 for left, right in swapped)
    trades = [event["t"] for event in seen if event["e"] == "trade"]
    assert sorted(trades) == list(range(min(trades), max(trades) + 1)) != trades


def test_a_trade_without_successor_is_held_back_for_a_second_only(tmp_path: Path) -> None:
    with replaying_trades(tmp_path, 500, 1700) as venue:
        socket = venue.socket("/ws/btcusdt@aggTrade")
        venue.inject_fault("reorder", symbol="BTCUSDT", count=2)
        swapped, alone = receive_events(socket, 2)
        assert [swapped["a"], alone["a"]] == [1, 2]
        assert [event["E"] - event["T"] >= 1000 for event in (swapped, alone)] == [True, True]


def test_a_final_kline_event_can_be_missing(venue: Venue) -> None:
    socket = venue.socket("/ws/nexousdt@kline_1s")
    last = receive_closed_klines(socket, 1)[-1]["t"]
    venue.inject_fault("missing_final", symbol="NEXOUSDT", count=2)
    assert receive_closed_klines(socket, 1)[-1]["t"] == last + 3000


def test_a_final_kline_event_can_come_twice(venue: Venue) -> None:
    socket = venue.socket("/ws/nexousdt@kline_1s")
    receive_closed_klines(socket, 1)
    venue.inject_fault("double_final", symbol="NEXOUSDT", interval="1s")
    first, second, third = receive_closed_klines(socket, 3)
    assert first == second
    assert third["t"] == first["t"] + 1000


def test_only_events_that_somebody_gets_count(venue: Venue) -> None:
    socket = venue.socket("/ws/nexousdt@kline_1s")
    receive_closed_klines(socket, 1)
    venue.inject_fault("double_final", symbol="NEXOUSDT", interval="1m", count=5)
    venue.inject_fault("double_final", symbol="BTCUSDT")
    first, second = receive_closed_klines(socket, 2)
    assert second["t"] == first["t"] + 1000
    assert venue.get("/sandbox/faults")["double_final"] == {"NEXOUSDT@1m": 5, "BTCUSDT": 1}


def test_a_wrong_final_kline_is_right_in_rest_in_the_end(venue: Venue) -> None:
    socket = venue.socket("/ws/btcusdt@kline_1s")
    receive_closed_klines(socket, 1)
    venue.inject_fault("wrong_klines", symbol="BTCUSDT", rest=1)
    wrong, right = receive_closed_klines(socket, 2)
    (lie, *_), (received, *_) = (
        venue.get("/api/v3/klines", symbol="BTCUSDT", interval="1s", startTime=wrong["t"], limit=1)
        for _ in range(2)
    )
    assert (received[4], received[5]) != (wrong["c"], wrong["v"])
    assert [lie[place] == received[place] for place in (4, 5)] == [True, False]
    rows = expected.fetch_klines(venue, "BTCUSDT", "1s", startTime=right["t"])
    assert [rows[right["t"]][place] for place in (4, 5)] == [right["c"], right["v"]]


def test_one_symbol_falls_silent_and_others_and_rest_go_on(venue: Venue) -> None:
    names = [f"{s}usdt@{kind}" for s in ("btc", "eth") for kind in ("aggTrade", "kline_1s")]
    socket = venue.socket(f"/stream?streams={'/'.join(names)}/!miniTicker@arr")
    receive_until(socket, lambda event: event["stream"] == "btcusdt@kline_1s")
    venue.inject_fault("mute", symbol="BTCUSDT", seconds=1.5)
    started_ms, heard = venue.clock.now_ms(), receive_events(socket, 1)
    while first_of(heard[-1]["data"])["E"] < started_ms + 1_400:
        heard += receive_events(socket, 1)
    later = [event for event in heard[:-1] if first_of(event["data"])["E"] > started_ms]
    assert {event["stream"] for event in later} == {*names[2:], "!miniTicker@arr"}
    assert "BTCUSDT" not in json.dumps(later)
    silent = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", startTime=started_ms)
    assert silent
    assert (
        receive_until(socket, lambda event: event["stream"] == names[0])["data"]["a"]
        > silent[0]["a"]
    )
