"""One spell of owning a shard's symbols: the turn of the stream process, step by step.

The order within a turn is what keeps things whole: stops and closed candles are on their way to
the database before the place in the stream moves on. Whoever takes over folds again what came
after that place, and what it writes twice stands once.
"""

import time
from collections.abc import Iterable, Mapping
from functools import partial

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from candles.history.backfill import catch_up_history
from candles.live.feed import NOTHING, Folded, Wanted
from candles.live.ingest import Ingest
from candles.live.joining import Joined, join
from candles.live.missing import Fetched, Fetcher, Refill
from candles.live.state import (
    Batch,
    ClosedCandle,
    StreamState,
    TickRun,
    forget,
    read_states,
    recent_ticks,
)
from candles.representation import forming_json
from foundation.worker import DATABASE_GONE, RETRY_S
from market.rest import ExchangeUnreachable
from market.ticks import Tick
from market.wire import Arrived
from orders.events import account_subscribed
from orders.services import hear
from orders.venue.account_stream import AccountStream
from tradingsite.live import publisher
from tradingsite.stream.context import Desk
from tradingsite.stream.history_progress import CatchUp
from tradingsite.stream.recorder import MOST_HELD, Recorder
from tradingsite.stream.stop_monitor import StopWatch

logger = structlog.get_logger(__name__)

TICKS_EVERY_S = 0.25
BEAT_S = 0.25  # how often a quiet owner says that it lives
CLOSE_EVERY_S = 0.05  # how often silence is looked at
# Open candles are written this often at most: what is lost with us is fetched again by its ids.
SAVE_EVERY_S = 0.05
CUT_OFF_S = 1.0  # without a connection for so long, one who has one takes over
Steps = dict[str, Folded]


class CutOff(Exception):
    """We have no connection to the exchange, and somebody who stands by has."""


class Overflow(Exception):
    """Redis has been away for longer than we hold what closed meanwhile."""


class Ownership:
    """Owns the shard's symbols from their stored state on. `heard` are ticks that came,
    without interruption, before that.
    """

    def __init__(self, desk: Desk, heard: Mapping[str, Iterable[Tick]]) -> None:
        self.desk = desk
        self.stream, self.writer, self.clock = desk.stream, desk.writer, desk.clock
        self.fetcher = Fetcher()
        self.ingest = Ingest(desk.intervals, self._fetch)
        self.recorder = Recorder(desk.clerk, self.writer, desk.symbols, desk.intervals)
        self.stops = StopWatch(desk.clerk, desk.seller, self._recent_ticks)
        self.account = self._account_stream()
        self.lag_ms = 0
        self.standbys: list[str] = []
        self._heard = dict(heard)
        self._unsaved: set[str] = set()  # symbols whose state Redis doesn't have
        self._shown: publisher.Conflation[None] = publisher.Conflation()
        self._connected_s = time.monotonic()
        self._next_beat_s = self._next_ticks_s = self._next_close_s = 0.0
        self._next_save_s = self._next_try_s = 0.0

    def take(self, arrived: Arrived) -> None:
        """One turn. Raises Fenced, CutOff or Overflow where somebody else should own."""
        self._follow_symbols()
        answers = self.fetcher.finished()
        for answer in answers:
            if isinstance(answer, Joined):
                self.recorder.add_history(answer)
        folded = _joined(
            self._follow_connection(),
            self.ingest.take(arrived.ticks) if arrived.ticks else {},
            self.ingest.fetched(answers) if answers else {},
            self.ingest.heard(arrived.klines) if arrived.klines else {},
            self._close_proven(),
        )
        # As they arrive: a stop does not wait for a gap to be refilled.
        self.stops.check([arrived.ticks, *(answer.ticks for answer in answers)])
        self.recorder.take(folded, arrived.klines)
        if arrived.ticks:
            self.lag_ms = self.clock.now_ms() - arrived.ticks[-1].time_ms
        self._save(folded)
        self._show(folded)

    def end(self) -> None:
        """Let a successor in at once."""
        self._stop()
        try:
            self.writer.lease.release()
        except RedisError as error:
            logger.warning("redis.unreachable", error=str(error))

    def leave(self) -> None:
        """Stop owning without a word: somebody else may own already."""
        self._stop()

    def _stop(self) -> None:
        self.fetcher.stop()
        if self.account is not None:
            self.account.stop()

    def _account_stream(self) -> AccountStream | None:
        """The account has one stream, whatever the symbols: the first shard's owner listens."""
        if self.desk.shard.number != 1:
            return None
        key, secret = settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET
        stream = AccountStream(
            settings.BINANCE_WS_API_URL,
            key,
            secret,
            self.clock.now_ms,
            apply=lambda executions: hear(executions, timezone.now()),
            on_subscribed=account_subscribed.announce,
        )
        stream.start()
        return stream

    # --- What is followed, and what has to be fetched ----------------------------------------

    def _follow_symbols(self) -> None:
        followed = self.desk.symbols
        if followed.keys() == self.ingest.feeds.keys():
            return
        client, new = self.writer.client, followed.keys() - self.ingest.feeds.keys()
        try:
            states = read_states(client, sorted(new))
            recent = {symbol: recent_ticks(client, symbol) for symbol in states}
            for symbol in self.ingest.follow(followed, states, recent):
                forget(client, symbol)
        except RedisError as error:
            logger.warning("redis.unreachable", error=str(error))
            return
        self.stream.newly_live.extend(new & self.stream.live)

    def _follow_connection(self) -> Steps:
        if self.stream.newly_silent:
            self.ingest.went_silent(self.stream.newly_silent)
            for symbol in self.stream.newly_silent:
                self._heard.pop(symbol, None)
            self.stream.newly_silent.clear()
        known = [symbol for symbol in self.stream.newly_live if symbol in self.ingest.feeds]
        self.stream.newly_live.clear()
        if not known:
            return {}
        heard = {symbol: self._heard.pop(symbol, ()) for symbol in known}
        still = [symbol for symbol in known if symbol in self.stream.live]
        return self.ingest.went_live(still, self.clock.now_ms(), heard)

    def _fetch(self, wanted: Wanted) -> None:
        if wanted.from_id is None:
            self.fetcher.start(wanted.symbol, partial(self._join, wanted.symbol))
        else:
            refill = Refill(self.desk.rest, wanted.symbol, wanted.from_id, wanted.until_id)
            self.fetcher.start(wanted.symbol, refill)

    def _join(self, symbol: str) -> Fetched:
        """Runs in a thread of the fetcher: a long past is written down there, page by page."""
        if not self.clock.known:
            raise ExchangeUnreachable("the exchange's clock is not measured yet")
        rest, intervals = self.desk.rest, self.desk.intervals
        catch_up = CatchUp(symbol)
        try:
            now_ms = self.clock.now_ms()
            until = catch_up_history(rest, symbol, intervals, now_ms, catch_up.told)
        except DATABASE_GONE as error:
            raise ExchangeUnreachable(f"database: {error}") from error
        finally:
            catch_up.close()
            connection.close()  # a thread that ends would take it along
        return join(rest, symbol, intervals, self.clock.now_ms(), until)

    def _close_proven(self) -> Steps:
        """Close candles that have ended although no tick says so, where that is proven."""
        if time.monotonic() < self._next_close_s:
            return {}
        self._next_close_s = time.monotonic() + CLOSE_EVERY_S
        grace_ms = self.desk.grace_ms
        return self.ingest.advance(lambda symbol: self.stream.proven_ms(symbol) - grace_ms)

    # --- Keeping and telling -----------------------------------------------------------------

    def _save(self, folded: Steps) -> None:
        """Write what Redis doesn't have; while it is away, hold it and go on."""
        self._unsaved.update(folded)
        now_s = time.monotonic()
        beat, closed = now_s >= self._next_beat_s, self.recorder.unsaved
        due = beat or closed or (self._unsaved and now_s >= self._next_save_s)
        if not due or now_s < self._next_try_s:
            return
        held_back = {*self.stops.unsold, *self.recorder.revising}
        saving = self._unsaved - held_back  # whoever takes over has to see those ticks again
        batch = self._batch(saving, closed, beat=beat)
        try:
            if beat:
                self._look_around()
            answer = self.writer.save(batch)
        except RedisError as error:
            self._hold(batch, error)
            return
        self._unsaved -= saving
        self._next_save_s = time.monotonic() + SAVE_EVERY_S
        if beat:
            self._next_beat_s = time.monotonic() + BEAT_S
        self.recorder.saved(closed, answer)
        self.stops.heed(answer.watched)

    def _hold(self, batch: Batch, error: RedisError) -> None:
        """Keep what Redis did not take, up to a bound, and try again in a while."""
        logger.warning("redis.unreachable", error=str(error), held=len(batch.closed))
        self._next_try_s = time.monotonic() + RETRY_S
        for run in batch.runs:
            if feed := self.ingest.feeds.get(run.symbol):
                feed.recent.not_saved()
        if len(batch.closed) > MOST_HELD:
            raise Overflow(f"{len(batch.closed)} closed candles and no Redis") from error

    def _look_around(self) -> None:
        """See who stands by, and leave to them where they are better off."""
        self.standbys = self.writer.lease.standbys()
        if self.stream.connected:
            self._connected_s = time.monotonic()
        elif self.standbys and time.monotonic() - self._connected_s > CUT_OFF_S:
            self.writer.lease.release()
            raise CutOff(f"no connection to the exchange; {self.standbys[0]} has one")

    def _recent_ticks(self, symbol: str) -> Iterable[Tick]:
        feed = self.ingest.feeds.get(symbol)
        return feed.recent if feed else ()

    def _batch(self, symbols: Iterable[str], closed: list[ClosedCandle], *, beat: bool) -> Batch:
        feeds = [self.ingest.feeds[symbol] for symbol in symbols if symbol in self.ingest.feeds]
        states = [state for feed in feeds if (state := feed.state()) is not None]
        stream = self._stream_state() if beat else None
        recorded = self.recorder.pop_recorded()
        return Batch(stream, states, closed, self._tick_runs(), recorded)

    def _tick_runs(self) -> list[TickRun]:
        """The ticks themselves are written more seldom: in a rush most are soon superseded."""
        if time.monotonic() < self._next_ticks_s:
            return []
        self._next_ticks_s = time.monotonic() + TICKS_EVERY_S
        feeds = self.ingest.feeds.values()
        return [run for feed in feeds if (run := feed.recent.unsaved()) is not None]

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
            shard=self.writer.lease.shard,
            holder=self.writer.lease.holder,
            standbys=self.standbys,
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
            publisher.publish(
                [publisher.Message("forming", state.symbol, forming_json(state.symbol, state))]
            )


def _joined(*passes: Steps) -> Steps:
    """What became of each symbol within one turn, step after step."""
    folded: Steps = {}
    for steps in passes:
        for symbol, step in steps.items():
            folded[symbol] = folded.get(symbol, NOTHING).then(step) if symbol in folded else step
    return folded
