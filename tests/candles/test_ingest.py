from bisect import bisect_right
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candles import ingest as ingest_module
from candles.fetch import Joined, Refilled
from candles.ingest import LONGEST_REFILL_MS, Ingest, SymbolFeed, Wanted
from candles.intervals import MINUTE_MS, floor_ms
from candles.ohlcv import OHLCV, SymbolCandles, flat
from market.ticks import Tick
from tests import recorded as recorded_data
from tests.builders import tick
from tests.recorded import by_the_book
from tradingsite.streaming import GRACE_MS

SYMBOL = "BTCUSDT"


def series(count: int, every_ms: int = 20_000) -> list[Tick]:
    return [tick(str(n % 7 + 1), tick_id=n, time_ms=n * every_ms) for n in range(1, count + 1)]


def joined(ticks: list[Tick] | None = None, last_tick_id: int = 0) -> Joined:
    base = flat(0, MINUTE_MS, Decimal(5))
    return Joined(SYMBOL, {}, base, {}, ticks or [], last_tick_id)


def live_feed() -> SymbolFeed:
    feed = SymbolFeed(SYMBOL, ["1m"])
    feed.went_live(0)
    feed.fetched(joined())
    return feed


def test_a_new_symbol_waits_for_its_past() -> None:
    feed = SymbolFeed(SYMBOL, ["1m"])
    assert feed.went_live(0) == Wanted(SYMBOL)
    assert feed.take(series(3)).ticks == []
    assert feed.fetched(joined()).ticks == series(3)
    assert feed.whole


def test_doubles_are_skipped() -> None:
    feed = live_feed()
    feed.take(series(4))
    again = feed.take(series(6)[2:])
    assert [t.tick_id for t in again.ticks] == [5, 6]


def test_a_jump_is_fetched_before_anything_behind_it_is_folded() -> None:
    feed = live_feed()
    ticks = series(9)
    assert feed.take(ticks[:3] + ticks[6:]).ticks == ticks[:3]
    assert feed.wanted == Wanted(SYMBOL, 4, 6)
    assert feed.missing == 3
    assert not feed.whole
    assert feed.fetched(Refilled(SYMBOL, ticks[3:6], 6)).ticks == ticks[3:]
    assert feed.whole


def test_ids_that_the_exchange_does_not_have_are_accepted() -> None:
    feed = live_feed()
    ticks = series(9)
    feed.take(ticks[:3] + ticks[6:])
    folded = feed.fetched(Refilled(SYMBOL, [], 6))
    assert folded.ticks == ticks[6:]
    assert feed.last_tick_id == 9


def test_the_clock_closes_nothing_while_the_line_is_down() -> None:
    feed = live_feed()
    feed.take([tick(tick_id=1, time_ms=1_000)])
    feed.went_silent()
    assert feed.advance(10 * MINUTE_MS) == []
    feed.went_live(2 * MINUTE_MS)
    assert feed.advance(10 * MINUTE_MS) == []  # the minutes of the outage are still unknown
    feed.fetched(Refilled(SYMBOL, [], 1))
    assert len(feed.advance(2 * MINUTE_MS)) == 2


def test_an_answer_from_before_a_second_outage_is_not_the_last_word() -> None:
    feed = live_feed()
    feed.take(series(3))
    feed.went_silent()
    feed.went_live(60_000)
    feed.went_silent()  # and what REST answers now is from before this
    assert feed.went_live(60_000) is None
    feed.fetched(Refilled(SYMBOL, [], 3))
    assert feed.wanted == Wanted(SYMBOL, 4)
    assert not feed.whole


def test_a_short_outage_is_refilled_and_a_long_one_begun_afresh() -> None:
    for outage_ms, wanted in ((60_000, Wanted(SYMBOL, 2)), (LONGEST_REFILL_MS, Wanted(SYMBOL))):
        feed = live_feed()
        feed.take([tick(tick_id=1, time_ms=1_000)])
        feed.went_silent()
        assert feed.went_live(1_001 + outage_ms) == wanted


def test_a_successor_goes_on_from_the_stored_state() -> None:
    ticks = series(20)
    first = live_feed()
    closed = first.take(ticks[:11]).closed
    second = SymbolFeed(SYMBOL, ["1m"], first.state())
    assert second.went_live(ticks[11].time_ms) == Wanted(SYMBOL, 12)
    closed += second.fetched(Refilled(SYMBOL, ticks[11:15], 15)).closed
    closed += second.take(ticks[15:]).closed
    assert closed == live_feed().take(ticks).closed


def test_other_intervals_than_before_begin_afresh() -> None:
    first = live_feed()
    first.take(series(3))
    second = SymbolFeed(SYMBOL, ["1m", "5m"], first.state())
    assert second.went_live(0) == Wanted(SYMBOL)


def test_ids_that_begin_anew_are_told_from_doubles() -> None:
    feed = live_feed()
    feed.take(series(9))
    doubles, reset = series(9)[3:6], [tick("7", tick_id=2, time_ms=999_000)]
    assert feed.take(doubles).ticks == []
    assert feed.whole
    assert feed.take(reset).ticks == []
    assert feed.wanted == Wanted(SYMBOL)
    assert feed.fetched(joined(last_tick_id=1)).ticks == reset


def test_what_waits_is_bounded_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "MOST_WAITING", 5)
    feed = live_feed()
    ticks = series(20)
    feed.take(ticks[:2] + ticks[5:8])
    feed.take(ticks[8:14])
    assert feed.waiting == []
    feed.fetched(Refilled(SYMBOL, ticks[2:5], 5))
    assert feed.wanted == Wanted(SYMBOL, 6)
    feed.fetched(Refilled(SYMBOL, ticks[5:], 20))
    assert feed.last_tick_id == 20


def test_recent_ticks_are_handed_to_redis_in_runs_that_cover_what_is_kept() -> None:
    feed = SymbolFeed(SYMBOL, ["1m"], recent=series(700))
    first = feed.unsaved_run()
    assert first is not None
    assert (first.ticks, first.keep) == (series(700), 1)
    assert feed.unsaved_run() is None
    feed.went_live(0)
    feed.fetched(joined(last_tick_id=700))
    feed.take(series(1800)[700:])
    second = feed.unsaved_run()
    assert second is not None
    assert (second.ticks, second.keep) == (series(1800)[-1000:], 1)


def test_a_recorded_day_under_an_injected_clock_equals_the_slow_way(recorded: Path) -> None:
    """The clock goes in steps of a second; ticks arrive in the step in which they happened."""
    ticks = recorded_data.ticks(recorded, "NEXOUSDT")
    start_ms, end_ms = floor_ms(ticks[0].time_ms, MINUTE_MS), ticks[-1].time_ms + 10_000
    feed = SymbolFeed("NEXOUSDT", ["1m"])
    feed.went_live(start_ms)
    feed.fetched(Joined("NEXOUSDT", {}, None, {}, [], ticks[0].tick_id - 1))
    closed: list[OHLCV] = []
    at = 0
    for now_ms in range(start_ms, end_ms, 1_000):
        upto = bisect_right(ticks, now_ms, lo=at, key=lambda one: one.time_ms)
        if upto > at:
            closed += feed.take(ticks[at:upto]).closed
        closed += feed.advance(now_ms - GRACE_MS)
        at = upto
    until_ms = floor_ms(end_ms - GRACE_MS, MINUTE_MS)
    assert closed == by_the_book(ticks, MINUTE_MS, until_ms)
    assert sum(candle.trades == 0 for candle in closed) == 167


def test_a_dropped_symbol_is_no_longer_folded() -> None:
    asked: list[Wanted] = []
    ingest = Ingest(["1m"], asked.append)
    ingest.follow([SYMBOL], {}, {})
    assert ingest.follow([], {}, {}) == [SYMBOL]
    assert ingest.take(series(2)) == {}
    assert ingest.fetched(joined()).ticks == []


class Line:
    """An unreliable line from an exchange whose REST has everything that was printed."""

    def __init__(self, ticks: list[Tick], random: Random) -> None:
        self.ticks, self.random = ticks, random
        self.printed = 0
        self.asked: list[Wanted] = []
        self.closed: list[OHLCV] = []
        self.ingest = Ingest(["1m", "5m"], self.asked.append)
        self.ingest.follow([SYMBOL], {}, {})
        self.reconnect()

    def reconnect(self) -> None:
        self.ingest.went_silent()
        self.ingest.went_live([SYMBOL], self.ticks[min(self.printed, len(self.ticks)) - 1].time_ms)

    def print_some(self) -> None:
        """Send on what the exchange prints: some of it lost, some doubled, in any order."""
        before, self.printed = self.printed, self.printed + self.random.randint(1, 10)
        sent = [tick for tick in self.ticks[before : self.printed] if self.random.random() < 0.8]
        sent += self.random.choices(self.ticks[: self.printed], k=self.random.randint(0, 3))
        self.random.shuffle(sent)
        for folded in self.ingest.take(sent).values():
            self.closed += folded.closed

    def answer(self) -> None:
        """Let REST answer what was asked for first."""
        wanted, known = self.asked.pop(0), self.ticks[: self.printed]
        if wanted.from_id is None:
            answer: Joined | Refilled = joined(known)
        else:
            missed = known[wanted.from_id - 1 :]
            answer = Refilled(SYMBOL, missed, max(wanted.from_id - 1, len(known)))
        self.closed += self.ingest.fetched(answer).closed

    def run(self) -> list[OHLCV]:
        while self.printed < len(self.ticks):
            self.random.choice([self.print_some, self.print_some, self.reconnect, self.catch_up])()
        self.reconnect()
        self.catch_up()
        return self.closed

    def catch_up(self) -> None:
        while self.asked:
            self.answer()


@given(st.integers(1, 200), st.integers(0, 10**6))
def test_whatever_the_line_does_the_candles_are_those_of_a_clean_pass(
    count: int, seed: int
) -> None:
    ticks = series(count)
    closed = Line(ticks, Random(seed)).run()
    clean = SymbolCandles(["1m", "5m"], flat(0, MINUTE_MS, Decimal(5)))
    assert closed == clean.add(ticks)
