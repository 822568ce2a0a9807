"""Faults while recorded trades pour in, far faster than they were made."""

from pathlib import Path

import pytest

from sandbox.faults.storm import StormConfig
from tests.sandbox import expected
from tests.sandbox.venue import Json, Venue, receive_events, replaying_files

SYMBOLS = ("BTCUSDT", "ETHUSDT")
REPLAYED_MS, LATEST_MS = 11_000, 3_000


def receive_events_until(venue: Venue, until_ms: int) -> list[Json]:
    """All events of both symbols until then."""
    names = [f"{s.lower()}@{kind}" for s in SYMBOLS for kind in ("aggTrade", "kline_1s")]
    socket, seen = venue.socket(f"/ws/{'/'.join(names)}"), [{"E": 0}]
    while seen[-1]["E"] < until_ms:
        seen += receive_events(socket, 1)
    return seen[1:]


@pytest.fixture
def files(recorded: Path) -> list[Path]:
    return [next((recorded / "ticks").glob(f"{symbol}-*.csv.gz")) for symbol in SYMBOLS]


def test_klines_stay_those_of_the_trades_whatever_happens_to_these(files: list[Path]) -> None:
    with replaying_files(*files, speed=60) as venue:
        forecast = StormConfig(4, 0.3, ("hole_ids", "late_trades", "backdated"))
        begin_ms = venue.exchange.first_trade_ms
        venue.run_in_loop(lambda: venue.server.faults.start_storm(forecast, begin_ms))
        seen = receive_events_until(venue, begin_ms + REPLAYED_MS + 2 * LATEST_MS)
        assert len(venue.get("/sandbox/faults")["injected"]) > 20
        for symbol in SYMBOLS:
            sent = [event for event in seen if event["s"] == symbol]
            aggs = expected.fetch_aggs(venue, symbol)
            assert [event["a"] for event in sent if event["e"] == "aggTrade"] == [
                agg["a"] for agg in aggs
            ]
            assert aggs[-1]["a"] - aggs[0]["a"] >= len(aggs)
            wanted = expected.build_klines(aggs, 1_000)
            found = expected.fetch_klines(venue, symbol, "1s")
            assert {open_ms: found[open_ms] for open_ms in wanted} == wanted
            ended = [e["k"]["t"] for e in sent if e["e"] == "kline" and e["k"]["x"]]
            assert ended == list(range(min(wanted), ended[-1] + 1, 1_000))
