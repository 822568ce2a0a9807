from bisect import bisect_right
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from candles.intervals import MINUTE_MS, floor_ms
from candles.live import feed as feed_module
from candles.live.bootstrap import Bootstrap
from candles.live.evidence import MAX_TRADES_WAIT_MS
from candles.live.feed import GRACE_MS, MAX_REFILL_MS, SymbolFeed
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


def refilled(from_id: int, ticks: list[Tick], through_id: int, **fields: Any) -> Refill:
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


def test_the_clock_alone_closes_nothing() -> None:
    feed = live_feed()
    feed.receive([tick(tick_id=1, time_ms=1_000)])
    assert feed.advance(10 * MINUTE_MS).closed == []
    assert feed.proof == FetchRequest(SYMBOL, 2, since_ms=0, in_background=True)


def test_an_event_that_comes_after_a_pause_proves_nothing_about_it() -> None:
    """Muted over two minutes in which there was trading: the first event is of the third."""
    feed = live_feed()
    ticks = series(9)
    feed.receive(ticks[:2])
    third = flat(2 * MINUTE_MS, MINUTE_MS, Decimal(3))
    assert feed.receive_kline(kline_event(third, closed=False)).closed == []
    assert feed.receive_kline(kline_event(third)).closed == []
    assert feed.advance(third.end_ms).closed == []
    assert feed.proof == FetchRequest(SYMBOL, 3, since_ms=0, in_background=True)
    klines = [(0, 2), (MINUTE_MS, 3), (2 * MINUTE_MS, 3), (3 * MINUTE_MS, 1)]
    closed = feed.receive_fetched(refilled(3, ticks[2:], 9, klines=klines)).closed
    assert closed == by_the_book(ticks, MINUTE_MS, 3 * MINUTE_MS)


def test_ids_that_join_prove_that_nothing_was_traded_not_that_there_is_a_kline() -> None:
    """After five minutes without an event: REST has klines of some of them, flat, and no others."""
    feed = live_feed()
    before, after = tick("4", tick_id=1, time_ms=1_000), tick("5", tick_id=2, time_ms=301_000)
    feed.receive([before])
    assert [one.open_ms for one in feed.receive([after]).closed] == [0]
    assert feed.unproven
    feed.advance(301_000)
    assert feed.advance(302_000).closed == []
    assert feed.proof == FetchRequest(SYMBOL, 2, since_ms=MINUTE_MS)
    klines = [(MINUTE_MS, 0), (4 * MINUTE_MS, 0), (5 * MINUTE_MS, 1)]
    folded = feed.receive_fetched(refilled(2, [after], 2, klines=klines))
    assert folded.closed == [flat(n * MINUTE_MS, MINUTE_MS, Decimal(4)) for n in (1, 4)]
    assert folded.ticks == [after]
    assert feed.counts.refilled == 0


def test_an_event_of_the_very_interval_and_ids_that_join_prove_it_empty() -> None:
    feed = live_feed()
    feed.receive([tick("4", tick_id=1, time_ms=1_000)])
    empty = flat(MINUTE_MS, MINUTE_MS, Decimal(4))
    feed.receive_kline(kline_event(empty, closed=False))
    folded = feed.receive([tick("5", tick_id=2, time_ms=121_000)])
    assert [one.trades for one in folded.closed] == [1, 0]
    assert feed.proof is None


def test_a_kline_event_right_behind_a_tick_spares_the_request() -> None:
    feed = live_feed()
    feed.receive([tick("4", tick_id=1, time_ms=1_000)])
    feed.receive([tick("5", tick_id=2, time_ms=121_000)])
    feed.advance(121_000)
    empty = flat(MINUTE_MS, MINUTE_MS, Decimal(4))
    assert feed.receive_kline(kline_event(empty)).closed == [empty]
    feed.advance(121_100)
    assert feed.proof is None
    assert feed.is_complete


def test_while_trading_is_suspended_nothing_closes_and_nothing_is_invented() -> None:
    feed = live_feed()
    feed.receive([tick("4", tick_id=1, time_ms=1_000)])
    for now_ms in range(MINUTE_MS, 10 * MINUTE_MS, 1_000):
        assert feed.advance(now_ms).closed == []
        if feed.proof:
            assert feed.receive_fetched(refilled(2, [], 1, klines=[(0, 1)])).closed == []
    klines = [(0, 1), (9 * MINUTE_MS, 0), (10 * MINUTE_MS, 0)]
    feed.advance(11 * MINUTE_MS)
    closed = feed.receive_fetched(refilled(2, [], 1, klines=klines)).closed
    assert [one.open_ms for one in closed] == [0, 9 * MINUTE_MS]


def test_what_a_symbol_is_asked_for_in_vain_is_asked_for_ever_more_seldom() -> None:
    feed = live_feed()
    feed.receive([tick("4", tick_id=1, time_ms=1_000)])
    asked = 0
    for now_ms in range(MINUTE_MS, 11 * MINUTE_MS, 100):
        feed.advance(now_ms)
        if feed.proof:
            asked += 1
            feed.receive_fetched(refilled(2, [], 1, klines=[(0, 1)]))
    assert 10 < asked < 30


def test_ticks_in_sequence_do_not_wait_for_proof_that_is_asked_for() -> None:
    feed = live_feed()
    ticks = series(6)
    feed.receive(ticks[:2])
    feed.advance(2 * MINUTE_MS)
    assert feed.proof is not None
    assert feed.receive(ticks[2:]).ticks == ticks[2:]
    assert feed.receive_fetched(refilled(3, ticks[2:], 6, klines=[(0, 2)])).ticks == []


def test_a_deaf_symbol_is_polled_before_its_candle_has_ended() -> None:
    feed = live_feed()
    ticks = series(4, every_ms=5_000)
    feed.receive(ticks[:1])
    feed.advance(5_000)
    assert feed.proof is None
    feed.deaf = True
    feed.advance(10_000)
    assert feed.proof == FetchRequest(SYMBOL, 2, since_ms=0, in_background=True)
    folded = feed.receive_fetched(refilled(2, ticks[1:3], 3, klines=[(0, 3)]))
    assert folded.ticks == ticks[1:3]


def test_ticks_that_only_the_exchanges_kline_counts_are_asked_for_before_it_closes() -> None:
    feed = live_feed()
    feed.receive(series(1))
    assert feed.forming is not None
    more = kline_event(feed.forming, trades=2, last_trade_id=2, closed=False)
    feed.receive_kline(more)
    feed.advance(more.event_ms)
    assert feed.proof is None  # it may be under way
    feed.advance(more.event_ms + 500)
    assert feed.proof == FetchRequest(SYMBOL, 2, since_ms=0, in_background=True)


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
    assert feed.proof == FetchRequest(SYMBOL, 2, since_ms=0, in_background=True)
    (closed,) = feed.receive_fetched(refilled(2, ticks[1:], 2)).closed
    assert closed.trades == 2


def test_a_candle_does_not_wait_for_ever_for_trades_that_never_come() -> None:
    feed = live_feed()
    feed.receive(series(1))
    assert feed.forming is not None
    word = kline_event(feed.forming, trades=2)
    feed.receive_kline(word)
    feed.advance(word.event_ms)
    assert feed.advance(word.event_ms + 2 * MAX_TRADES_WAIT_MS).closed == []  # no answer yet
    feed.receive_fetched(refilled(2, [], 1, klines=[(0, 2), (MINUTE_MS, 0)]))
    asked_ms = word.event_ms + 3 * MAX_TRADES_WAIT_MS
    assert feed.advance(asked_ms).closed == []
    assert feed.advance(asked_ms + MAX_TRADES_WAIT_MS - 1).closed == []
    assert feed.advance(asked_ms + MAX_TRADES_WAIT_MS).closed[0].trades == 1


def test_a_successor_that_listened_goes_on_without_asking() -> None:
    first, second = live_feed(), None
    ticks = series(12)
    first.receive(ticks[:5])
    second = SymbolFeed(SYMBOL, ["1m"], first.state())
    assert second.on_live(ticks[8].time_ms, ticks[2:9]).ticks == ticks[5:9]
    assert second.is_complete
    third = SymbolFeed(SYMBOL, ["1m"], first.state())
    third.on_live(ticks[8].time_ms, ticks[7:9])
    assert third.pending == FetchRequest(SYMBOL, 6, since_ms=MINUTE_MS)
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
    assert feed.pending == FetchRequest(SYMBOL, 4, since_ms=MINUTE_MS)
    assert not feed.is_complete


def test_a_short_outage_is_refilled_and_a_long_one_begun_afresh() -> None:
    for outage_ms, wanted in (
        (60_000, FetchRequest(SYMBOL, 2, since_ms=0)),
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
    assert second.pending == FetchRequest(SYMBOL, 12, since_ms=3 * MINUTE_MS)
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
    begun = Bootstrap(SYMBOL, {}, None, {}, [], 1)
    assert feed.receive_fetched(begun).ticks == reset


def test_what_waits_is_bounded_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_WAITING_TICKS", 5)
    feed = live_feed()
    ticks = series(20)
    feed.receive(ticks[:2] + ticks[5:8])
    feed.receive(ticks[8:14])
    assert feed.waiting == []
    feed.receive_fetched(refilled(3, ticks[2:5], 5))
    assert feed.pending == FetchRequest(SYMBOL, 6, since_ms=MINUTE_MS)
    feed.receive_fetched(refilled(6, ticks[5:], 20))
    assert feed.last_tick_id == 20


def test_recent_ticks_are_handed_to_redis_in_runs_that_cover_what_is_kept() -> None:
    feed = SymbolFeed(SYMBOL, ["1m"], recent=series(700))
    first = feed.recent.drain()
    assert first is not None
    assert (decode_ticks(first.text), first.keep) == (series(700), 1)
    assert feed.recent.drain() is None
    feed.on_live(0)
    feed.receive_fetched(Bootstrap(SYMBOL, {}, None, {}, [], 700))
    feed.receive(series(1800)[700:])
    second = feed.recent.drain()
    assert second is not None
    assert (decode_ticks(second.text), second.keep) == (series(1800)[-1000:], 1)


def test_a_recorded_day_with_its_kline_events_equals_the_slow_way(recorded: Path) -> None:
    """Time goes in steps of a second; ticks come in the step in which they happened."""
    ticks = recorded_data.ticks(recorded, "NEXOUSDT")
    start_ms, end_ms = floor_ms(ticks[0].time_ms, MINUTE_MS), ticks[-1].time_ms + 10_000
    klines = {c.open_ms: c for c in by_the_book(ticks, MINUTE_MS, floor_ms(end_ms, MINUTE_MS))}
    feed = SymbolFeed("NEXOUSDT", ["1m"])
    feed.on_live(start_ms)
    feed.receive_fetched(Bootstrap("NEXOUSDT", {}, None, {}, [], ticks[0].tick_id - 1))
    closed: list[OHLCV] = []
    at = 0
    for now_ms in range(start_ms, end_ms, 1_000):
        upto = bisect_right(ticks, now_ms, lo=at, key=lambda one: one.time_ms)
        if upto > at:
            closed += feed.receive(ticks[at:upto]).closed
        if kline := klines.get(now_ms - MINUTE_MS):
            closed += feed.receive_kline(kline_event(kline)).closed
        closed += feed.advance(now_ms, grace_ms=GRACE_MS).closed
        at = upto
    assert closed == list(klines.values())
    assert sum(candle.trades == 0 for candle in closed) == 167
    assert feed.proof is None


def test_a_dropped_symbol_is_no_longer_folded() -> None:
    asked: list[FetchRequest] = []
    ingest = Ingest(["1m"], asked.append)
    ingest.follow([SYMBOL], {}, {})
    assert ingest.follow([], {}, {}) == [SYMBOL]
    assert ingest.receive(series(2)) == {}
    assert ingest.receive_fetched([bootstrap()]) == {}


def test_a_symbol_whose_ticks_cannot_be_folded_begins_afresh_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[FetchRequest] = []
    ingest = Ingest(["1m"], asked.append)
    ingest.follow([SYMBOL, "ETHUSDT"], {}, {})
    ingest.on_live([SYMBOL, "ETHUSDT"], 0, {})
    ingest.receive_fetched([bootstrap(), msgspec.structs.replace(bootstrap(), symbol="ETHUSDT")])
    never = tick("1E+999999", tick_id=1, time_ms=0, quantity=Decimal("1E+999999"))
    good = tick(tick_id=1, time_ms=0, symbol="ETHUSDT")
    asked.clear()
    assert list(ingest.receive([never, good])) == ["ETHUSDT"]
    ingest.advance(lambda _: 10_000, 0)
    assert asked == [FetchRequest(SYMBOL)]
