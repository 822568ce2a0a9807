from bisect import bisect_right
from decimal import Decimal
from pathlib import Path

import pytest

from candles.intervals import MINUTE_MS, floor_ms
from candles.live import feed as feed_module
from candles.live.bootstrap import Bootstrap
from candles.live.feed import GRACE_MS, MAX_REFILL_MS, MAX_TRADES_WAIT_MS, SymbolFeed
from candles.live.ingest import Ingest
from candles.live.missing import FetchRequest, Refill
from candles.live.state import decode_ticks
from candles.ohlcv import OHLCV, flat
from market.ticks import Tick
from tests import recorded as recorded_data
from tests.builders import kline_event, tick
from tests.recorded import by_the_book

SYMBOL = "BTCUSDT"


def series(count: int, every_ms: int = 20_000) -> list[Tick]:
    return [tick(str(n % 7 + 1), tick_id=n, time_ms=n * every_ms) for n in range(1, count + 1)]


def bootstrap(ticks: list[Tick] | None = None, last_tick_id: int = 0) -> Bootstrap:
    base = flat(0, MINUTE_MS, Decimal(5))
    return Bootstrap(SYMBOL, {}, base, {}, ticks or [], last_tick_id)


def live_feed() -> SymbolFeed:
    feed = SymbolFeed(SYMBOL, ["1m"])
    feed.on_live(0)
    feed.receive_fetched(bootstrap())
    return feed


def refilled(from_id: int, ticks: list[Tick], through_id: int, **fields: bool) -> Refill:
    return Refill(SYMBOL, from_id, ticks, through_id, **fields)


def test_a_new_symbol_waits_for_its_past() -> None:
    feed = SymbolFeed(SYMBOL, ["1m"])
    feed.on_live(0)
    assert feed.pending == FetchRequest(SYMBOL)
    assert feed.receive(series(3)).ticks == []
    assert feed.receive_fetched(bootstrap()).ticks == series(3)
    assert feed.is_complete


def test_doubles_are_skipped() -> None:
    feed = live_feed()
    feed.receive(series(4))
    again = feed.receive(series(6)[2:])
    assert [t.tick_id for t in again.ticks] == [5, 6]


def test_a_jump_is_fetched_before_anything_behind_it_is_folded() -> None:
    feed = live_feed()
    ticks = series(9)
    assert feed.receive(ticks[:3] + ticks[6:]).ticks == ticks[:3]
    assert feed.pending == FetchRequest(SYMBOL, 4, 6)
    assert feed.missing_ticks == 3
    assert not feed.is_complete
    assert feed.receive_fetched(refilled(4, ticks[3:6], 6)).ticks == ticks[3:]
    assert feed.is_complete


def test_ids_that_the_exchange_does_not_have_are_accepted() -> None:
    feed = live_feed()
    ticks = series(9)
    feed.receive(ticks[:3] + ticks[6:])
    folded = feed.receive_fetched(refilled(4, [], 6))
    assert folded.ticks == ticks[6:]
    assert feed.last_tick_id == 9
    assert (feed.counts.holes, feed.counts.given_up) == (3, 0)


def test_ids_that_nobody_gives_are_counted_apart() -> None:
    feed = live_feed()
    ticks = series(9)
    feed.receive(ticks[:3] + ticks[6:])
    feed.receive_fetched(refilled(4, [], 6, given_up=True))
    assert (feed.counts.holes, feed.counts.given_up) == (0, 3)


def test_what_the_stream_brings_after_all_is_not_waited_for() -> None:
    feed = live_feed()
    ticks = series(9)
    feed.receive(ticks[:3] + ticks[5:])
    assert feed.receive(ticks[3:5]).ticks == ticks[3:]
    assert feed.is_complete
    assert feed.receive_fetched(refilled(4, ticks[3:5], 5)).ticks == []
    assert feed.counts.refilled == 0


def test_the_clock_closes_nothing_while_the_line_is_down() -> None:
    feed = live_feed()
    feed.receive([tick(tick_id=1, time_ms=1_000)])
    feed.on_silent()
    assert feed.advance(10 * MINUTE_MS).closed == []
    feed.on_live(2 * MINUTE_MS)
    assert feed.advance(10 * MINUTE_MS).closed == []  # the outage is still unknown
    feed.receive_fetched(refilled(2, [], 1))
    assert len(feed.advance(2 * MINUTE_MS).closed) == 2


def test_a_candle_that_is_complete_by_the_exchanges_own_word_closes() -> None:
    feed = live_feed()
    ticks = series(2)
    feed.receive(ticks)
    assert feed.forming is not None
    assert feed.receive_kline(kline_event(feed.forming, trades=1)).closed == []
    (closed,) = feed.receive_kline(kline_event(feed.forming)).closed
    assert closed.trades == 2
    (empty,) = feed.receive_kline(kline_event(feed.forming)).closed
    assert empty == flat(MINUTE_MS, MINUTE_MS, closed.close)


def test_trades_that_only_the_exchange_counts_are_asked_for_and_waited_for() -> None:
    feed = live_feed()
    ticks = series(2)
    feed.receive(ticks[:1])
    assert feed.forming is not None
    word = kline_event(feed.forming, trades=2)
    assert feed.receive_kline(word).closed == []
    assert feed.advance(word.event_ms).closed == []
    assert feed.pending == FetchRequest(SYMBOL, 2)
    (closed,) = feed.receive_fetched(refilled(2, ticks[1:], 2)).closed
    assert closed.trades == 2


def test_a_candle_does_not_wait_for_ever_for_trades_that_never_come() -> None:
    feed = live_feed()
    feed.receive(series(1))
    assert feed.forming is not None
    word = kline_event(feed.forming, trades=2)
    feed.receive_kline(word)
    feed.advance(word.event_ms)
    feed.receive_fetched(refilled(2, [], 1))
    assert feed.advance(word.event_ms + MAX_TRADES_WAIT_MS - 1).closed == []
    feed.receive_fetched(refilled(2, [], 1))
    assert feed.advance(word.event_ms + MAX_TRADES_WAIT_MS).closed[0].trades == 1


def test_a_successor_that_listened_goes_on_without_asking() -> None:
    first, second = live_feed(), None
    ticks = series(12)
    first.receive(ticks[:5])
    second = SymbolFeed(SYMBOL, ["1m"], first.state())
    assert second.on_live(ticks[8].time_ms, ticks[2:9]).ticks == ticks[5:9]
    assert second.is_complete
    third = SymbolFeed(SYMBOL, ["1m"], first.state())
    third.on_live(ticks[8].time_ms, ticks[7:9])
    assert third.pending == FetchRequest(SYMBOL, 6)
    assert third.receive_fetched(refilled(6, ticks[5:7], 7)).ticks == ticks[5:9]


def test_a_tick_dated_back_does_not_make_doubles_look_like_a_new_beginning() -> None:
    feed = live_feed()
    ticks = [*series(3), tick(tick_id=4, time_ms=1_000)]
    feed.receive(ticks)
    assert feed.receive(ticks[2:]).ticks == []
    assert feed.is_complete


def test_an_answer_from_before_a_second_outage_is_not_the_last_word() -> None:
    feed = live_feed()
    feed.receive(series(3))
    feed.on_silent()
    feed.on_live(60_000)
    feed.on_silent()  # and what REST answers now is from before this
    feed.on_live(60_000)
    feed.receive_fetched(refilled(4, [], 3))
    assert feed.pending == FetchRequest(SYMBOL, 4)
    assert not feed.is_complete


def test_a_short_outage_is_refilled_and_a_long_one_begun_afresh() -> None:
    for outage_ms, wanted in (
        (60_000, FetchRequest(SYMBOL, 2)),
        (MAX_REFILL_MS, FetchRequest(SYMBOL)),
    ):
        feed = live_feed()
        feed.receive([tick(tick_id=1, time_ms=1_000)])
        feed.on_silent()
        feed.on_live(1_001 + outage_ms)
        assert feed.pending == wanted


def test_a_successor_goes_on_from_the_stored_state() -> None:
    ticks = series(20)
    first = live_feed()
    closed = first.receive(ticks[:11]).closed
    second = SymbolFeed(SYMBOL, ["1m"], first.state())
    second.on_live(ticks[11].time_ms)
    assert second.pending == FetchRequest(SYMBOL, 12)
    closed += second.receive_fetched(refilled(12, ticks[11:15], 15)).closed
    closed += second.receive(ticks[15:]).closed
    assert closed == live_feed().receive(ticks).closed


def test_other_intervals_than_before_begin_afresh() -> None:
    first = live_feed()
    first.receive(series(3))
    second = SymbolFeed(SYMBOL, ["1m", "5m"], first.state())
    second.on_live(0)
    assert second.pending == FetchRequest(SYMBOL)


def test_ids_that_begin_anew_are_told_from_doubles() -> None:
    feed = live_feed()
    feed.receive(series(9))
    doubles, reset = series(9)[3:6], [tick("7", tick_id=2, time_ms=999_000)]
    assert feed.receive(doubles).ticks == []
    assert feed.is_complete
    assert feed.receive(reset).ticks == []
    assert feed.pending == FetchRequest(SYMBOL)
    assert feed.receive_fetched(bootstrap(last_tick_id=1)).ticks == reset


def test_what_waits_is_bounded_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_WAITING_TICKS", 5)
    feed = live_feed()
    ticks = series(20)
    feed.receive(ticks[:2] + ticks[5:8])
    feed.receive(ticks[8:14])
    assert feed.waiting == []
    feed.receive_fetched(refilled(3, ticks[2:5], 5))
    assert feed.pending == FetchRequest(SYMBOL, 6)
    feed.receive_fetched(refilled(6, ticks[5:], 20))
    assert feed.last_tick_id == 20


def test_recent_ticks_are_handed_to_redis_in_runs_that_cover_what_is_kept() -> None:
    feed = SymbolFeed(SYMBOL, ["1m"], recent=series(700))
    first = feed.recent.drain()
    assert first is not None
    assert (decode_ticks(first.text), first.keep) == (series(700), 1)
    assert feed.recent.drain() is None
    feed.on_live(0)
    feed.receive_fetched(bootstrap(last_tick_id=700))
    feed.receive(series(1800)[700:])
    second = feed.recent.drain()
    assert second is not None
    assert (decode_ticks(second.text), second.keep) == (series(1800)[-1000:], 1)


def test_a_recorded_day_under_an_injected_clock_equals_the_slow_way(recorded: Path) -> None:
    """The clock goes in steps of a second; ticks arrive in the step in which they happened."""
    ticks = recorded_data.ticks(recorded, "NEXOUSDT")
    start_ms, end_ms = floor_ms(ticks[0].time_ms, MINUTE_MS), ticks[-1].time_ms + 10_000
    feed = SymbolFeed("NEXOUSDT", ["1m"])
    feed.on_live(start_ms)
    feed.receive_fetched(Bootstrap("NEXOUSDT", {}, None, {}, [], ticks[0].tick_id - 1))
    closed: list[OHLCV] = []
    at = 0
    for now_ms in range(start_ms, end_ms, 1_000):
        upto = bisect_right(ticks, now_ms, lo=at, key=lambda one: one.time_ms)
        if upto > at:
            closed += feed.receive(ticks[at:upto]).closed
        closed += feed.advance(now_ms - GRACE_MS).closed
        at = upto
    until_ms = floor_ms(end_ms - GRACE_MS, MINUTE_MS)
    assert closed == by_the_book(ticks, MINUTE_MS, until_ms)
    assert sum(candle.trades == 0 for candle in closed) == 167


def test_a_dropped_symbol_is_no_longer_folded() -> None:
    asked: list[FetchRequest] = []
    ingest = Ingest(["1m"], asked.append)
    ingest.follow([SYMBOL], {}, {})
    assert ingest.follow([], {}, {}) == [SYMBOL]
    assert ingest.receive(series(2)) == {}
    assert ingest.receive_fetched([bootstrap()]) == {}
