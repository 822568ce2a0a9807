"""Faults at random moments, drawn by a seed."""

from collections.abc import Iterator
from random import Random

import msgspec
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sandbox.config import SandboxConfig
from sandbox.faults.registry import FAULTS, FEED_FAULTS, parse_fault
from sandbox.faults.storm import Storm, StormConfig
from tests.sandbox import expected
from tests.sandbox.venue import Json, Venue, receive_events, running
from tests.servers import HANG_S

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def drawn_faults(forecast: StormConfig, step_ms: int, until_ms: int) -> Iterator[tuple[int, Json]]:
    """Each fault with the time of the step that draws it."""
    storm = Storm(forecast, SYMBOLS, 1_000)
    for now_ms in range(0, until_ms, step_ms):
        for fault in storm.pop_due_faults(now_ms):
            yield now_ms, msgspec.to_builtins(fault)


def start_storm(venue: Venue, **forecast: object) -> requests.Response:
    return requests.post(f"{venue.url}/sandbox/storm", json=forecast, timeout=HANG_S)


@given(st.integers(), st.integers(1, 400))
def test_the_same_seed_draws_the_same_faults_at_the_same_offsets(seed: int, step_ms: int) -> None:
    often = [*drawn_faults(StormConfig(seed, 0.5), 1, 20_000)]
    rarely = [*drawn_faults(StormConfig(seed, 0.5), step_ms, 20_000 + step_ms)][: len(often)]
    assert [fault for _, fault in rarely] == [fault for _, fault in often]
    assert all(0 <= late - ms < step_ms for (ms, _), (late, _) in zip(often, rarely, strict=True))


def test_another_seed_draws_others() -> None:
    assert [*drawn_faults(StormConfig(1), 4, 60_000)] != [*drawn_faults(StormConfig(2), 4, 60_000)]


@pytest.mark.parametrize("name", FAULTS)
@given(seed=st.integers())
def test_what_is_drawn_could_have_been_asked_for(name: str, seed: int) -> None:
    fault = FAULTS[name].draw(Random(seed), SYMBOLS)
    assert parse_fault(msgspec.json.encode(fault)) == fault


def test_orders_are_spared_unless_they_are_named() -> None:
    struck = {fault["fault"] for _, fault in drawn_faults(StormConfig(3, 0.01), 4, 20_000)}
    assert struck == set(FEED_FAULTS)
    named = drawn_faults(StormConfig(3, 0.1, ("reject",)), 4, 20_000)
    assert {fault["fault"] for _, fault in named} == {"reject"}


def test_a_storm_lasts_until_it_is_cleared_and_its_faults_are_listed_with_their_times(
    venue: Venue,
) -> None:
    begun_ms = venue.clock.now_ms()
    assert start_storm(venue, seed=5, every_s=0.02, faults=["stall", "mute"]).ok
    venue.step_until(lambda: len(struck(venue, begun_ms)) > 5)
    assert venue.get("/sandbox/faults")["storm"]["seed"] == 5
    requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
    received = struck(venue, begun_ms)
    assert {fault["fault"] for fault in received} == {"stall", "mute"}
    assert venue.get("/sandbox/faults")["storm"] is None
    assert receive_events(venue.socket("/ws/btcusdt@aggTrade"), 5)
    assert struck(venue, begun_ms) == received


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
    answer = start_storm(venue, **forecast)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_storm")
    assert named in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_after_a_storm_rest_holds_the_klines_of_its_own_trades() -> None:
    with running(SandboxConfig([], seed=3)) as venue:
        venue.exchange.market("BTCUSDT")
        assert start_storm(venue, seed=11, every_s=0.02).ok
        faults = venue.server.faults
        venue.step_until(lambda: len(faults.injected) > 150)
        venue.run_in_loop(faults.clear)
        venue.pass_time(1_200)  # what was late is shown by then
        wanted = expected.build_klines(expected.fetch_aggs(venue, "BTCUSDT"), 1_000)
        found = expected.fetch_klines(venue, "BTCUSDT", "1s", startTime=min(wanted))
    for open_ms in sorted(wanted)[1:-1]:
        assert found[open_ms] == wanted[open_ms]


def test_a_storm_goes_on_where_the_symbol_of_a_fault_was_delisted() -> None:
    with running(SandboxConfig([], seed=3)) as venue:
        assert start_storm(venue, seed=1, every_s=0.02, faults=["delisting", "suspension"]).ok
        faults = venue.server.faults
        venue.step_until(lambda: sum(one["fault"] == "delisting" for one in faults.injected) >= 2)
        venue.pass_time(2_000)
        assert requests.get(f"{venue.url}/api/v3/ping", timeout=HANG_S).ok
