"""The stream process: from the socket to candles, stops and pages, batch by batch.

One process at a time owns the symbols; others stand by. The order within a pass is what keeps
things whole: stops and closed candles first, then the place in the stream moves on. Whoever
takes over folds again what came after that place, and what it writes twice stands once.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial

import structlog
from django.db import close_old_connections
from redis.exceptions import RedisError

from candles import fetch, services, store
from candles.api import forming_json
from candles.fetch import Fetched, Fetcher, Joined
from candles.ingest import Folded, Ingest, Wanted
from candles.intervals import INTERVALS_MS
from candles.ohlcv import base_interval_ms
from candles.store import Batch, ClosedCandle, StreamState, TickRun
from market.binance import BadFrame
from market.models import Symbol
from market.rest import ExchangeClock, ExchangeRefused, ExchangeUnreachable, MarketRest
from market.stream import MarketStream
from market.ticks import Tick
from tradingsite import live
from tradingsite.recorder import DATABASE_GONE, RETRY_S, Recorder
from tradingsite.stopwatch import StopWatch

logger = structlog.get_logger(__name__)

GRACE_MS = 2_500  # a tick has been seen this long under way; short intervals wait half of one
TICKS_EVERY_S = 0.25
BEAT_S = 0.25  # how often a quiet stream says that it lives
LOOK_S = 1.0  # how often the table of symbols is looked at
MEASURE_CLOCK_S = 60.0
NAMES = {interval_ms: name for name, interval_ms in INTERVALS_MS.items()}


class StreamProcess:
    """Owns a shard's symbols while it can, and starts over whenever it no longer does."""

    def __init__(
        self,
        stream: MarketStream,
        rest: MarketRest,
        writer: store.Writer,
        intervals: Sequence[str],
    ) -> None:
        self.stream = stream
        self.rest = rest
        self.writer = writer
        self.intervals = list(intervals)
        self.clock = ExchangeClock()
        self.stopping = threading.Event()
        self.grace_ms = min(GRACE_MS, base_interval_ms(intervals) // 2)

    def stop(self) -> None:
        self.stopping.set()
        self.stream.stop()

    def run(self) -> None:
        """Until `stop`: stand by, then own."""
        clock = threading.Thread(target=self._keep_clock, name="clock", daemon=True)
        clock.start()
        while not self.stopping.is_set():
            try:
                if self.writer.take():
                    logger.info("stream.owner", number=self.writer.number)
                    Ownership(self).run()
                    self.writer.release()
                else:
                    self.stopping.wait(RETRY_S)
            except store.Fenced:
                logger.warning("stream.fenced", number=self.writer.number)
            except RedisError as error:
                logger.warning("redis.unreachable", error=str(error))
                self.stopping.wait(RETRY_S)

    def settled_ms(self) -> int:
        """Up to when every tick is sure to be here, by the exchange's clock."""
        proven = [self.stream.proven_ms(symbol) for symbol in self.stream.live]
        return min(proven, default=0) - self.grace_ms

    def _keep_clock(self) -> None:
        while not self.stopping.is_set():
            try:
                self.clock.measure(self.rest)
                self.stopping.wait(MEASURE_CLOCK_S)
            except ExchangeUnreachable as error:
                logger.warning("clock.unmeasured", error=str(error))
                self.stopping.wait(max(RETRY_S, error.retry_after_s))
            except (ExchangeRefused, BadFrame) as error:
                logger.error("clock.unmeasured", error=str(error))
                self.stopping.wait(MEASURE_CLOCK_S)


class Ownership:
    """One spell of owning the symbols, from their stored state on."""

    def __init__(self, process: StreamProcess) -> None:
        self.process = process
        self.stream, self.writer, self.clock = process.stream, process.writer, process.clock
        self.fetcher = Fetcher()
        self.ingest = Ingest(process.intervals, self._fetch)
        self.stops = StopWatch()
        self.symbols: dict[str, Symbol] = {}
        self.recorder = Recorder(self.writer)
        self.lag_ms = 0
        self._shown: live.Conflation[None] = live.Conflation()
        self._next_look_s = self._next_beat_s = self._next_ticks_s = 0.0

    def run(self) -> None:
        """Until the process stops or another one owns the symbols (store.Fenced)."""
        try:
            with closing(self.stream.batches()) as batches:
                for arrived in batches:
                    self._pass(arrived.ticks)
        finally:
            self.fetcher.stop()

    def _pass(self, ticks: list[Tick]) -> None:
        self._look_at_symbols()
        self._follow_connection()
        folded = self.ingest.take(ticks) if ticks else {}
        answers = self.fetcher.finished()
        for answer in answers:
            _add(folded, answer.symbol, self._fetched(answer))
        self._close_by_clock(folded)
        if ticks:
            self.lag_ms = self.clock.now_ms() - ticks[-1].time_ms
        # As they arrive: a stop does not wait for a gap to be refilled.
        self.stops.check([ticks, *(answer.ticks for answer in answers)])
        self.recorder.add(_closed(folded))
        self.recorder.record(self.symbols)
        self._save(folded)
        self._show(folded)

    # --- What is followed, and what has to be fetched ----------------------------------------

    def _look_at_symbols(self) -> None:
        """Follow what the table of symbols says now."""
        if time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + LOOK_S
        try:
            close_old_connections()
            self.symbols = {symbol.name: symbol for symbol in Symbol.objects.followed()}
        except DATABASE_GONE as error:
            logger.warning("database.unreachable", error=str(error))
            return
        followed = list(self.symbols)
        if self.symbols.keys() == self.ingest.feeds.keys():
            return
        client = self.writer.client
        states = store.read_states(client, [s for s in followed if s not in self.ingest.feeds])
        recent = {symbol: store.recent_ticks(client, symbol) for symbol in states}
        for symbol in self.ingest.follow(followed, states, recent):
            store.forget(client, symbol)
        self.stream.follow(followed)

    def _follow_connection(self) -> None:
        if not self.stream.connected:
            self.ingest.went_silent()
        elif self.stream.newly_live:
            self.ingest.went_live(self.stream.newly_live, self.clock.now_ms())
            self.stream.newly_live.clear()

    def _fetch(self, wanted: Wanted) -> None:
        ask = self._join if wanted.from_id is None else self._refill
        self.fetcher.start(partial(ask, wanted), wanted.symbol)

    # These two run in threads of the fetcher.

    def _refill(self, wanted: Wanted) -> Fetched:
        assert wanted.from_id is not None  # noqa: S101  # else it is a join
        return fetch.refill(self.process.rest, wanted.symbol, wanted.from_id, wanted.until_id)

    def _join(self, wanted: Wanted) -> Fetched:
        symbol, intervals = wanted.symbol, self.process.intervals
        if not self.clock.known:
            raise ExchangeUnreachable("the exchange's clock is not measured yet")
        try:
            until = services.stored_until(symbol, intervals)
        except DATABASE_GONE as error:
            raise ExchangeUnreachable(f"database: {error}") from error
        finally:
            close_old_connections()
        return fetch.join(self.process.rest, symbol, intervals, self.clock.now_ms(), until)

    def _fetched(self, answer: Fetched) -> Folded:
        if isinstance(answer, Joined):
            self.recorder.add_history(answer)
        return self.ingest.fetched(answer)

    def _close_by_clock(self, folded: dict[str, Folded]) -> None:
        if not (self.stream.connected and self.clock.known):
            return
        for symbol, step in self.ingest.advance(self.process.settled_ms()).items():
            _add(folded, symbol, step)

    # --- Keeping and telling -----------------------------------------------------------------

    def _save(self, folded: dict[str, Folded]) -> None:
        """Write the batch to Redis, however long that takes; what is in memory waits."""
        if not folded and time.monotonic() < self._next_beat_s:
            return
        batch = self._batch(folded)
        while not self.process.stopping.is_set():
            try:
                self.stops.heed(self.writer.save(batch), self._recent_ticks)
                self._next_beat_s = time.monotonic() + BEAT_S
                self.recorder.saved()
                return
            except RedisError as error:
                logger.warning("redis.unreachable", error=str(error))
                self.process.stopping.wait(RETRY_S)

    def _recent_ticks(self, symbol: str) -> Iterable[Tick]:
        feed = self.ingest.feeds.get(symbol)
        return feed.recent if feed else []

    def _batch(self, folded: dict[str, Folded]) -> Batch:
        feeds = [self.ingest.feeds[symbol] for symbol in folded]
        states = [state for feed in feeds if (state := feed.state()) is not None]
        if self.stops.unsold:
            states = []  # whoever takes over from here has to see those ticks again
        return Batch(self._stream_state(), states, self.recorder.unsaved, self._tick_runs())

    def _tick_runs(self) -> list[TickRun]:
        """The ticks themselves are written more seldom: in a rush most are soon superseded."""
        if time.monotonic() < self._next_ticks_s:
            return []
        self._next_ticks_s = time.monotonic() + TICKS_EVERY_S
        feeds = self.ingest.feeds.values()
        return [run for feed in feeds if (run := feed.unsaved_run()) is not None]

    def _stream_state(self) -> StreamState:
        now_ms = int(time.time() * 1000)
        quiet_ms = int((time.monotonic() - self.stream.last_frame_s) * 1000)
        feeds = self.ingest.feeds.items()
        return StreamState(
            connected=self.stream.connected,
            last_frame_ms=now_ms - quiet_ms if self.stream.last_frame_s else 0,
            beat_ms=now_ms,
            lag_ms=self.lag_ms,
            clock_offset_ms=self.clock.ahead_ms(),
            refilling={symbol: feed.missing for symbol, feed in feeds if not feed.whole},
        )

    def _show(self, folded: Iterable[str]) -> None:
        """Show pages the newest open candles, at the pace that pages can follow."""
        for symbol in folded:
            self._shown.take(symbol, None)
        due = self._shown.due(int(time.monotonic() * 1000))
        if due is None:
            return
        feed = self.ingest.feeds.get(due[0])
        state = feed.state() if feed else None
        if state is not None:
            live.publish([live.Message("forming", state.symbol, forming_json(state.symbol, state))])


def _closed(folded: Mapping[str, Folded]) -> list[ClosedCandle]:
    return [
        ClosedCandle(symbol, NAMES[candle.interval_ms], candle)
        for symbol, step in folded.items()
        for candle in step.closed
    ]


def _add(folded: dict[str, Folded], symbol: str, step: Folded) -> None:
    """Join two steps of one symbol within a pass."""
    before = folded.get(symbol, Folded())
    folded[symbol] = Folded(before.closed + step.closed, before.ticks + step.ticks)
