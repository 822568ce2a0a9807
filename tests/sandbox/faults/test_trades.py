"""Trades that are numbered, dated or shown otherwise: the truth itself is another."""

from itertools import pairwise
from pathlib import Path

import requests

from tests.sandbox import expected
from tests.sandbox.venue import (
    Venue,
    receive_closed_klines,
    receive_events,
    receive_until,
    replaying_trades,
)
from tests.servers import HANG_S


def check_klines(venue: Venue, symbol: str, interval: str, length_ms: int) -> None:
    """Hold all full REST klines against the tape's own trades."""
    aggs = expected.fetch_aggs(venue, symbol)
    wanted = expected.build_klines(aggs, length_ms)
    found = expected.fetch_klines(venue, symbol, interval, startTime=min(wanted))
    full = sorted(wanted)[1:-1]
    assert len(full) >= 2
    for open_ms in full:
        assert found[open_ms] == wanted[open_ms]


def test_ids_that_nobody_has_are_missing_everywhere_and_no_trade_is_lost(venue: Venue) -> None:
    socket = venue.socket("/ws/btcusdt@aggTrade")
    first = receive_events(socket, 1)[0]
    venue.inject_fault("hole_ids", symbol="BTCUSDT", count=7)
    seen = [first]
    while seen[-1]["a"] - first["a"] < len(seen):  # the fault may have to wait for its turn
        seen += receive_events(socket, 5)
    jumps = sorted(right["a"] - left["a"] for left, right in pairwise(seen))
    assert jumps == [1] * (len(jumps) - 1) + [8]
    assert all(right["f"] == left["l"] + 1 for left, right in pairwise(seen))
    stored = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", fromId=first["a"], limit=len(seen))
    assert [row["a"] for row in stored] == [event["a"] for event in seen]


def test_late_trades_are_seen_nowhere_before_and_everywhere_after(tmp_path: Path) -> None:
    with replaying_trades(tmp_path, 200, 900, 1_300, 2_400) as venue:
        socket = venue.socket("/ws/btcusdt@aggTrade")
        receive_events(socket, 1)
        venue.inject_fault("late_trades", symbol="BTCUSDT", ms=1_500, delay_ms=1_000)
        late = receive_events(socket, 1)[0]
        assert late["E"] - late["T"] >= 1_000
        known = [row["a"] for row in expected.fetch_aggs(venue, "BTCUSDT")]
        assert known == [1, 2]
        assert [row["id"] for row in venue.get("/api/v3/trades", symbol="BTCUSDT")] == known
        assert [event["a"] for event in receive_events(socket, 2)] == [3, 4]


def test_a_late_trade_changes_the_kline_of_its_time_in_rest_but_not_its_event(
    tmp_path: Path,
) -> None:
    with replaying_trades(tmp_path, 200, 900, 4_300) as venue:
        trades = venue.socket("/ws/btcusdt@aggTrade")
        klines = venue.socket("/ws/btcusdt@kline_1s/btcusdt@kline_1m")
        open_ms = receive_events(trades, 1)[0]["T"] // 1000 * 1000
        venue.inject_fault("late_trades", ms=1_000, delay_ms=1_500)
        received = receive_closed_klines(klines, 2)
        late = receive_events(trades, 1)[0]
        assert (late["a"], late["T"]) == (2, open_ms + 900)
        assert [(k["t"] - open_ms, k["n"], k["c"]) for k in received] == [
            (0, 1, "101.00000000"),
            (1000, 0, "101.00000000"),
        ]
        receive_events(trades, 1)
        rows = expected.fetch_klines(venue, "BTCUSDT", "1s")
        assert rows == {
            **expected.build_klines(expected.fetch_aggs(venue, "BTCUSDT"), 1000),
            **{key: row for key, row in rows.items() if key > open_ms + 4000},
        }
        assert [row[4] for row in rows.values()][:4] == ["102.00000000"] * 4
        minute = expected.fetch_klines(venue, "BTCUSDT", "1m")[open_ms]
        assert minute[5] == "6.00000000"


def test_trades_after_late_ones_do_not_overtake_them(venue: Venue) -> None:
    socket = venue.socket("/ws/btcusdt@aggTrade")
    receive_events(socket, 1)
    venue.inject_fault("late_trades", ms=1_500, delay_ms=1_200)
    seen = [receive_until(socket, lambda event: event["E"] - event["T"] >= 1_200)]
    while seen[-1]["E"] - seen[-1]["T"] > 200:
        seen += receive_events(socket, 1)
    assert all(right["a"] == left["a"] + 1 for left, right in pairwise(seen))
    check_klines(venue, "BTCUSDT", "1s", 1_000)


def test_backdated_trades_have_a_later_id_and_an_earlier_time(venue: Venue) -> None:
    socket = venue.socket("/ws/btcusdt@aggTrade")
    receive_events(socket, 1)
    venue.inject_fault("backdated", symbol="BTCUSDT", ms=2_500, count=3)
    seen = receive_events(socket, 12)
    back = [event for event in seen if event["E"] - event["T"] >= 2_500]
    assert len(back) == 3
    assert [event["a"] for event in seen] == list(range(seen[0]["a"], seen[0]["a"] + 12))
    start_ms = back[0]["T"]
    stored = venue.get("/api/v3/aggTrades", symbol="BTCUSDT", startTime=start_ms, limit=1000)
    assert {row["a"] for row in stored} >= {event["a"] for event in seen}
    assert all(row["T"] >= start_ms for row in stored)
    check_klines(venue, "BTCUSDT", "1s", 1_000)


def test_no_trade_is_dated_back_before_the_first(tmp_path: Path) -> None:
    with replaying_trades(tmp_path, 300, 1_400, 1_500) as venue:
        socket = venue.socket("/ws/btcusdt@aggTrade")
        first = receive_events(socket, 1)[0]
        venue.inject_fault("backdated", ms=60_000)
        back, after = receive_events(socket, 2)
        assert (back["T"], after["T"]) == (first["T"], first["T"] + 1_200)
        row = expected.fetch_klines(venue, "BTCUSDT", "1s")[first["T"] // 1000 * 1000]
        assert [row[1], row[4], row[8]] == ["101.00000000", "102.00000000", 2]


def test_late_trades_come_within_a_second_when_faults_are_ended(tmp_path: Path) -> None:
    with replaying_trades(tmp_path, 100, 300, 5_000) as venue:
        socket = venue.socket("/ws/btcusdt@aggTrade")
        first_ms = receive_events(socket, 1)[0]["T"]
        venue.inject_fault("late_trades", ms=60_000, delay_ms=60_000)
        venue.pass_time(600)
        requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
        shown = receive_events(socket, 1)[0]
        assert (shown["a"], shown["T"]) == (2, first_ms + 200)
        assert 500 <= shown["E"] - first_ms < 2_000
