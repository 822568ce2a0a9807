"""The law of the feed: whatever a line does, the candles are those of one clean pass."""

from collections import Counter
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from candles.intervals import INTERVALS_MS, floor_ms
from candles.live import proven
from candles.live.bootstrap import Bootstrap
from candles.live.folded import Folded
from candles.live.ingest import Ingest
from candles.live.missing import FetchRequest, Refill
from candles.live.state import SymbolState
from candles.ohlcv import OHLCV, flat, with_ticks
from market.ticks import Tick
from tests.builders import kline_event, tick
from tests.laws import examples
from tests.recorded import by_the_book

SYMBOL = "BTCUSDT"
INTERVALS = ["1s", "1m", "3m", "5m"]
BASE_MS = INTERVALS_MS["1s"]
STATE = msgspec.json.Decoder(SymbolState)
PAUSES = [0, 0, 0, 1, 7, 400, 999, 1_000, 30_000, 200_000]
MIN_SUSPENSION_MS = 30_000


class Exchange:
    """What was printed so far, ids that don't exist among it, and the klines of it.

    Of a time in which trading was suspended there are none.
    """

    def __init__(self, random: Random, count: int) -> None:
        self.printed = 0
        self.ticks = [tick("5", tick_id=0, time_ms=0)]
        self.suspended: list[tuple[int, int]] = []
        time_ms, tick_id, resumed_ms = 0, 0, 0
        for _ in range(count):
            pause_ms = random.choice(PAUSES)
            if pause_ms >= MIN_SUSPENSION_MS and random.random() < 0.5:
                resumed_ms = time_ms + pause_ms
                self.suspended.append((floor_ms(time_ms, BASE_MS) + BASE_MS, resumed_ms))
            time_ms += pause_ms
            tick_id += 1 if random.random() < 0.95 else random.randint(2, 5)
            back_ms = random.choice([0] * 9 + [random.randint(1, 90_000)])
            self.ticks.append(
                tick(
                    str(random.randint(1, 9)),
                    tick_id=tick_id,
                    time_ms=max(resumed_ms, time_ms - back_ms),
                    quantity=Decimal(random.randint(1, 9)) / 8,
                    buyer_is_maker=random.random() < 0.5,
                )
            )

    @property
    def known(self) -> list[Tick]:
        return self.ticks[: self.printed + 1]

    @property
    def clock_ms(self) -> int:
        return max(tick.time_ms for tick in self.known)

    def has_kline(self, open_ms: int) -> bool:
        """Judged by the whole time, though a suspension that has not begun says nothing yet."""
        return not any(
            since_ms <= open_ms and open_ms + BASE_MS <= until_ms
            for since_ms, until_ms in self.suspended
        )

    def has_candle(self, candle: OHLCV) -> bool:
        return any(map(self.has_kline, range(candle.open_ms, candle.end_ms, BASE_MS)))

    def kline(self, open_ms: int) -> OHLCV:
        own = [one for one in self.known if open_ms <= one.time_ms < open_ms + BASE_MS]
        empty = flat(open_ms, BASE_MS, Decimal(1))
        return with_ticks(empty, own) if own else empty

    def klines(self, since_ms: int) -> list[tuple[int, int]]:
        """Open times and trades, as REST has them: a page at most, the last one still open."""
        opens = range(floor_ms(since_ms, BASE_MS), self.clock_ms + 1, BASE_MS)
        there = [open_ms for open_ms in opens if self.has_kline(open_ms)][:1000]
        trades = Counter(floor_ms(one.time_ms, BASE_MS) for one in self.known)
        return [(open_ms, trades[open_ms]) for open_ms in there]


class Database:
    """Candles by interval and open time, as `candles.services` keeps them."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.candles: dict[tuple[int, int], OHLCV] = {}

    def record(self, folded: Folded) -> None:
        for closed in folded.closed:
            self._check(closed)
            self.candles.setdefault((closed.interval_ms, closed.open_ms), closed)
        for one in folded.late:
            for interval_ms in map(INTERVALS_MS.__getitem__, INTERVALS):
                key = interval_ms, floor_ms(one.time_ms, interval_ms)
                candle = self.candles.get(key)
                if candle and (candle.last_tick_id or -1) < one.tick_id:
                    self.candles[key] = with_ticks(candle, [one])
                    self._carry_on(key, one.price)

    def _check(self, closed: OHLCV) -> None:
        """Nothing is invented, not even for a moment: strategies have acted on it by then.

        A trade dated back comes later by its id than those beyond: nobody could know of it.
        """
        assert self.exchange.has_candle(closed), closed
        if closed.trades:
            return
        for one in self.exchange.known:
            if one.time_ms >= closed.end_ms:
                return
            assert one.time_ms < closed.open_ms, closed

    def _carry_on(self, key: tuple[int, int], close: Decimal) -> None:
        interval_ms, open_ms = key
        for (other_ms, at_ms), candle in sorted(self.candles.items()):
            if other_ms == interval_ms and at_ms > open_ms:
                if candle.trades:
                    return
                self.candles[other_ms, at_ms] = flat(at_ms, interval_ms, close)


class Line:
    """An unreliable line from an exchange to owners that die and are succeeded."""

    def __init__(self, random: Random, count: int) -> None:
        self.random = random
        self.exchange = Exchange(random, count)
        self.database = Database(self.exchange)
        self.now_ms = 0
        self.asked: list[FetchRequest] = []
        self.stored: bytes | None = None
        self.heard: list[Tick] = []
        self.begin(heard=False)

    def begin(self, *, heard: bool) -> None:
        """A new owner, from what the last one stored; it may have listened before."""
        states = {SYMBOL: STATE.decode(self.stored)} if self.stored else {}
        self.asked.clear()
        self.ingest = Ingest(INTERVALS, self.asked.append)
        self.ingest.follow([SYMBOL], states, {})
        self.go_live(self.heard if heard else [])

    def go_live(self, heard: list[Tick]) -> None:
        clock_ms = self.exchange.clock_ms
        self.take(self.ingest.on_live([SYMBOL], clock_ms, {SYMBOL: heard}))

    def take(self, steps: dict[str, Folded]) -> None:
        """Record, and store the place, or die before that."""
        for folded in steps.values():
            self.database.record(folded)
        state = self.ingest.feeds[SYMBOL].state()
        if state is not None and self.random.random() < 0.7:
            self.stored = msgspec.json.encode(state)

    # --- What may happen ---------------------------------------------------------------------

    def print_some(self) -> None:
        """Send on what the exchange prints: some lost, some doubled, in any order."""
        before = self.exchange.printed + 1
        self.exchange.printed = min(
            before + self.random.randint(0, 9), len(self.exchange.ticks) - 1
        )
        new = self.exchange.known[before:]
        if self.random.random() < 0.2:  # muted: nobody hears of it, and of no jump either
            self.heard.clear()
            return
        self.heard += new
        sent = [one for one in new if self.random.random() < 0.8]
        sent += self.random.choices(self.exchange.known, k=self.random.randint(0, 3))
        if self.random.random() < 0.5:
            self.random.shuffle(sent)
        for size in (self.random.randint(1, 5) for _ in range(len(sent))):
            if sent:
                self.take(self.ingest.receive(sent[:size]))
                sent = sent[size:]

    def say_closed(self) -> None:
        """The exchange's last word on the base candle that is open here, if it has ended."""
        forming = self.ingest.feeds[SYMBOL].forming
        ended = forming and forming.end_ms <= self.exchange.clock_ms
        if forming and ended and self.exchange.has_kline(forming.open_ms):
            kline = self.exchange.kline(forming.open_ms)
            self.take(self.ingest.receive_klines([kline_event(kline)]))

    def say_something(self) -> None:
        """An event of any base candle there is, open or closed, whatever was lost before it."""
        opens = range(0, self.exchange.clock_ms + 1, BASE_MS)
        open_ms = self.random.choice(opens[-200:])
        if self.exchange.has_kline(open_ms):
            kline = self.exchange.kline(open_ms)
            is_over = kline.end_ms <= self.exchange.clock_ms
            closed = is_over and self.random.random() < 0.7
            self.take(self.ingest.receive_klines([kline_event(kline, closed=closed)]))

    def ask(self) -> None:
        """Time passes, and with it the patience for proof."""
        self.now_ms = max(self.now_ms + 31_000, self.exchange.clock_ms)
        self.take(self.ingest.advance(lambda _: self.now_ms, 0))

    def cut(self) -> None:
        self.ingest.on_silent([SYMBOL])
        self.heard.clear()
        self.go_live([])

    def die(self) -> None:
        self.begin(heard=self.random.random() < 0.5)

    def answer(self) -> None:
        if self.asked:
            self.take(self.ingest.receive_fetched([self._answer(self.asked.pop(0))]))

    def _answer(self, wanted: FetchRequest) -> Bootstrap | Refill:
        known = self.exchange.known
        if wanted.from_id is None:  # nothing was ever stored: the series begins with tick 0
            return Bootstrap(SYMBOL, {}, None, {}, known, -1)
        missed = [one for one in known if one.tick_id >= wanted.from_id]
        newest = known[-1].tick_id
        klines = [] if wanted.since_ms is None else self.exchange.klines(wanted.since_ms)
        through_id = max(newest, wanted.from_id - 1)
        return Refill(SYMBOL, wanted.from_id, missed, through_id, klines=klines)

    def run(self) -> dict[tuple[int, int], OHLCV]:
        steps = [self.print_some] * 5 + [self.answer] * 3
        steps += [self.say_closed, self.say_something, self.ask, self.cut, self.die]
        while self.exchange.printed < len(self.exchange.ticks) - 1:
            self.random.choice(steps)()
        self.cut()
        for _ in range(20):  # a page of klines each, which may be but a part of a long pause
            while self.asked:
                self.answer()
            self.ask()
            if not (self.asked or self.ingest.feeds[SYMBOL].is_waiting):
                break
        return self.database.candles


@pytest.mark.thorough
@settings(max_examples=examples(200))
@given(st.integers(1, 120), st.integers(0, 10**9))
@example(56, 6979)  # dated back behind a pause of more than a page of klines
def test_whatever_the_line_does_the_candles_are_those_of_a_clean_pass(
    count: int, seed: int
) -> None:
    note(f"seed {seed}")
    line = Line(Random(seed), count)
    with pytest.MonkeyPatch.context() as patch:  # a new beginning would begin with the first tick
        patch.setattr(proven, "MAX_UNPROVEN_MS", 10**9)
        candles = line.run()
    forming = line.ingest.feeds[SYMBOL].forming
    assert forming is not None
    for name in INTERVALS:
        interval_ms = INTERVALS_MS[name]
        until_ms = floor_ms(forming.open_ms, interval_ms)
        ours = [
            candle
            for (length_ms, open_ms), candle in sorted(candles.items())
            if length_ms == interval_ms and open_ms < until_ms
        ]
        theirs = by_the_book(line.exchange.ticks, interval_ms, until_ms)
        assert ours == [one for one in theirs if line.exchange.has_candle(one)], name
