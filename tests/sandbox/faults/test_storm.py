"""Faults at random moments, drawn by a seed."""

from collections.abc import Iterator
from random import Random

import msgspec
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sandbox.exchange import Plan
from sandbox.faults.kinds import FAULTS, FEED_FAULTS, parse
from sandbox.faults.storm import Forecast, Storm
from tests.sandbox import truth
from tests.sandbox.venue import Json, Venue, events, running
from tests.servers import HANG_S

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def strikes(forecast: Forecast, beat_ms: int, until_ms: int) -> Iterator[tuple[int, Json]]:
    """Which beat each fault falls on, and the fault."""
    storm = Storm(forecast, SYMBOLS, 1_000)
    for now_ms in range(0, until_ms, beat_ms):
        for fault in storm.due(now_ms):
            yield now_ms, msgspec.to_builtins(fault)


def let_storm(venue: Venue, **forecast: object) -> requests.Response:
    return requests.post(f"{venue.url}/sandbox/storm", json=forecast, timeout=HANG_S)


@given(st.integers(), st.integers(1, 400))
def test_the_same_seed_strikes_the_same_faults_at_the_same_offsets(seed: int, beat_ms: int) -> None:
    often = [*strikes(Forecast(seed, 0.5), 1, 20_000)]
    rarely = [*strikes(Forecast(seed, 0.5), beat_ms, 20_000 + beat_ms)][: len(often)]
    assert [fault for _, fault in rarely] == [fault for _, fault in often]
    assert all(0 <= late - ms < beat_ms for (ms, _), (late, _) in zip(often, rarely, strict=True))


def test_another_seed_strikes_others() -> None:
    assert [*strikes(Forecast(1), 4, 60_000)] != [*strikes(Forecast(2), 4, 60_000)]


@pytest.mark.parametrize("name", FAULTS)
@given(seed=st.integers())
def test_what_is_drawn_could_have_been_asked_for(name: str, seed: int) -> None:
    fault = FAULTS[name].drawn(Random(seed), SYMBOLS)
    assert parse(msgspec.json.encode(fault)) == fault


def test_orders_are_spared_unless_they_are_named() -> None:
    struck = {fault["fault"] for _, fault in strikes(Forecast(3, 0.01), 4, 20_000)}
    assert struck == set(FEED_FAULTS)
    named = strikes(Forecast(3, 0.1, ("reject",)), 4, 20_000)
    assert {fault["fault"] for _, fault in named} == {"reject"}


def test_a_storm_strikes_until_it_is_ended_and_all_is_listed_with_its_time(venue: Venue) -> None:
    begun_ms = venue.clock.now_ms()
    assert let_storm(venue, seed=5, every_s=0.02, faults=["stall", "mute"]).ok
    venue.step_until(lambda: len(struck(venue, begun_ms)) > 5)
    assert venue.get("/sandbox/faults")["storm"]["seed"] == 5
    requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
    told = struck(venue, begun_ms)
    assert {fault["fault"] for fault in told} == {"stall", "mute"}
    assert venue.get("/sandbox/faults")["storm"] is None
    assert events(venue.socket("/ws/btcusdt@aggTrade"), 5)
    assert struck(venue, begun_ms) == told


def struck(venue: Venue, since_ms: int) -> list[Json]:
    injected = venue.get("/sandbox/faults")["injected"]
    return [fault for fault in injected if fault["time_ms"] >= since_ms]


@pytest.mark.parametrize(
    ("forecast", "named"),
    [
        ({"every_s": 1}, "seed"),
        ({"seed": 1, "every_s": 0}, "every_s"),
        ({"seed": 1, "faults": ["sulk"]}, "sulk"),
        ({"seed": 1, "faults": []}, "there are disconnect"),
        ({"seed": 1, "evry_s": 1}, "evry_s"),
    ],
)
def test_a_bad_storm_is_refused_in_one_line(venue: Venue, forecast: Json, named: str) -> None:
    answer = let_storm(venue, **forecast)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_storm")
    assert named in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_after_a_storm_rest_holds_the_klines_of_its_own_trades() -> None:
    with running(Plan([], seed=3)) as venue:
        venue.exchange.market("BTCUSDT")
        assert let_storm(venue, seed=11, every_s=0.02).ok
        faults = venue.server.faults
        venue.step_until(lambda: len(faults.injected) > 150)
        venue.inside(faults.clear)
        venue.pass_time(1_200)  # what was late is shown by then
        wanted = truth.folded(truth.all_aggs(venue, "BTCUSDT"), 1_000)
        found = truth.klines(venue, "BTCUSDT", "1s", startTime=min(wanted))
    for open_ms in sorted(wanted)[1:-1]:
        assert found[open_ms] == wanted[open_ms]
