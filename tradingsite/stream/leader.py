"""The leader of a shard: one turn of the stream process, step by step.

The order within a turn is what keeps things whole: stops and closed candles are on their way to
the database before the offset in the stream moves on. Whoever takes over folds again what came
after that offset, and what it writes twice stands once.
"""

from collections.abc import Iterable, Mapping, Set
from functools import partial
from itertools import chain

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from candles.history.backfill import catch_up_history
from candles.live.bootstrap import Bootstrap, fetch_bootstrap
from candles.live.folded import NOTHING, Folded
from candles.live.ingest import Ingest
from candles.live.missing import Fetched, Fetcher, FetchRequest, Refiller
from candles.live.state import Unrecorded, forget, read_states, recent_ticks
from candles.ticks.retention import Retention
from market.failures import ExchangeUnreachable
from market.ticks import Tick
from market.wire.frames import StreamBatch
from orders.events import account_subscribed
from orders.services import apply_executions
from orders.venue.account_stream import AccountStream
from tradingsite.stream.checkpointer import Checkpointer
from tradingsite.stream.context import StreamContext
from tradingsite.stream.forming_display import FormingDisplay
from tradingsite.stream.history_progress import HistoryProgress
from tradingsite.stream.pace import Pace
from tradingsite.stream.recorder import Recorder
from tradingsite.stream.stop_monitor import StopMonitor
from tradingsite.stream.tick_recorder import TickRecorder

logger = structlog.get_logger(__name__)

CLOSE_EVERY_S = 0.05  # how often silence is looked at
WRITE_TICKS_S = 1.0  # a successor may wait so long for ticks that are queued for their files
Steps = dict[str, Folded]


class Leader:
    """Writes the shard's symbols from their stored state on. `heard` are ticks that came,
    without interruption, before that; `unrecorded` is what the last leader left to record.
    """

    def __init__(
        self,
        context: StreamContext,
        heard: Mapping[str, Iterable[Tick]],
        unrecorded: Unrecorded,
    ) -> None:
        self.context = context
        self.stream, self.clock = context.stream, context.clock
        self.fetcher = Fetcher()
        self.ingest = Ingest(context.intervals, self._fetch)
        self.recorder = Recorder(context.database, unrecorded, context.symbols, context.intervals)
        self.stops = StopMonitor(context.database, context.exits, self._recent_ticks)
        self.checkpointer = Checkpointer(context, self.ingest, self.recorder, self.stops)
        self.display = FormingDisplay(self.ingest)
        self.account = _start_account_stream(context)
        self.ticks = _start_tick_recorder(context)
        self._heard = dict(heard)
        self._closing = Pace(CLOSE_EVERY_S)

    def step(self, batch: StreamBatch) -> None:
        """One turn. Raises Fenced, Disconnected or UnsavedOverflow where another should lead."""
        already_live = self._follow_symbols()
        answers = self._collect_fetched()
        folded = self._fold(batch, [*batch.newly_live, *already_live], answers)
        # As they arrive: a stop does not wait for a gap to be refilled.
        self.stops.check([batch.ticks, *(answer.ticks for answer in answers)])
        self.recorder.record(folded, batch.klines)
        self.checkpointer.measure_lag(batch.ticks)
        self.checkpointer.save(folded)
        self.display.show(folded)
        if self.ticks is not None:
            self.ticks.record(folded)

    def release(self) -> None:
        """Let a successor in at once."""
        self.stop(write_ticks_s=WRITE_TICKS_S)
        try:
            self.context.writer.lease.release()
        except RedisError as error:
            logger.warning("redis.unreachable", error=str(error))

    def stop(self, write_ticks_s: float = 0.0) -> None:
        """Stop leading and keep the lease as it is: another process may hold it already."""
        self.fetcher.stop()
        if self.ticks is not None:
            self.ticks.stop(write_ticks_s)
        if self.account is not None:
            self.account.stop()

    # --- Symbols and connections -------------------------------------------------------------

    def _follow_symbols(self) -> Set[str]:
        """Follow the shard's symbols; returns the new ones that are live already."""
        followed = self.context.symbols
        if followed.keys() == self.ingest.feeds.keys():
            return set()
        client, new = self.context.writer.client, followed.keys() - self.ingest.feeds.keys()
        try:
            states = read_states(client, sorted(new))
            recent = {symbol: recent_ticks(client, symbol) for symbol in states}
            for symbol in self.ingest.follow(followed, states, recent):
                forget(client, symbol)
        except RedisError as error:
            logger.warning("redis.unreachable", error=str(error))
            return set()
        return new & self.stream.live

    def _follow_connection(self, newly_live: list[str], newly_silent: list[str]) -> Steps:
        if newly_silent:
            self.ingest.on_silent(newly_silent)
            for symbol in newly_silent:
                self._heard.pop(symbol, None)
        # A new symbol may have become live in this very turn, and stand in it twice.
        known = [symbol for symbol in dict.fromkeys(newly_live) if symbol in self.ingest.feeds]
        if not known:
            return {}
        heard = {symbol: self._heard.pop(symbol, ()) for symbol in known}
        still = [symbol for symbol in known if symbol in self.stream.live]
        return self.ingest.on_live(still, self.clock.now_ms(), heard)

    # --- Folding -----------------------------------------------------------------------------

    def _fold(self, batch: StreamBatch, newly_live: list[str], answers: list[Fetched]) -> Steps:
        return _merged(
            self._follow_connection(newly_live, batch.newly_silent),
            self.ingest.receive(batch.ticks) if batch.ticks else {},
            self.ingest.receive_fetched(answers) if answers else {},
            self.ingest.receive_klines(batch.klines) if batch.klines else {},
            self._ask_for_proof(),
        )

    def _ask_for_proof(self) -> Steps:
        """Ask REST about candles that have ended although nothing says so."""
        if not self._closing.due():
            return {}
        clock_ms, event_ms = self.clock.now_ms(), self.stream.last_event_ms
        return self.ingest.advance(
            lambda symbol: max(clock_ms, event_ms(symbol)), self.context.grace_ms
        )

    def _recent_ticks(self, symbol: str) -> Iterable[Tick]:
        feed = self.ingest.feeds.get(symbol)
        return chain(feed.recent, feed.waiting) if feed else ()

    # --- Fetching ----------------------------------------------------------------------------

    def _fetch(self, request: FetchRequest) -> None:
        if request.from_id is None:
            self.fetcher.submit(request.symbol, partial(self._bootstrap, request.symbol))
        else:
            rest, urgent = self.context.rest, not request.in_background
            refill = Refiller(
                rest if urgent else rest.in_background(),
                request.symbol, request.from_id, request.until_id,
                self.ingest.base, request.since_ms,
            )  # fmt: skip
            self.fetcher.submit(request.symbol, refill, urgent=urgent)

    def _collect_fetched(self) -> list[Fetched]:
        answers = self.fetcher.collect()
        for answer in answers:
            if isinstance(answer, Bootstrap):
                self.recorder.add_history(answer)
        return answers

    def _bootstrap(self, symbol: str) -> Fetched:
        """Runs in a thread of the fetcher: a long past is written down there, page by page."""
        if not self.clock.known:
            raise ExchangeUnreachable("the exchange's clock is not measured yet")
        rest, intervals = self.context.rest, self.context.intervals
        progress = HistoryProgress(symbol)
        try:
            now_ms = self.clock.now_ms()
            until = catch_up_history(rest, symbol, intervals, now_ms, progress.show)
        finally:
            progress.close()
            connection.close()  # a thread that ends would take it along
        return fetch_bootstrap(rest, symbol, intervals, self.clock.now_ms(), until)


def _merged(*passes: Steps) -> Steps:
    """The steps of each symbol within one turn, as one."""
    folded: Steps = {}
    for steps in passes:
        for symbol, step in steps.items():
            folded[symbol] = folded.get(symbol, NOTHING).merge(step) if symbol in folded else step
    return folded


def _start_account_stream(context: StreamContext) -> AccountStream | None:
    """The account has one stream, whatever the symbols: the first shard's leader listens."""
    if context.shard.number != 1:
        return None
    stream = AccountStream(
        settings.BINANCE_WS_API_URL,
        settings.BINANCE_API_KEY,
        settings.BINANCE_API_SECRET,
        context.clock.now_ms,
        apply=lambda executions: apply_executions(executions, timezone.now()),
        on_subscribed=account_subscribed.announce,
    )
    stream.start()
    return stream


def _start_tick_recorder(context: StreamContext) -> TickRecorder | None:
    if not settings.RECORD_TICKS:
        return None
    lease = context.writer.lease
    retention = Retention(settings.TICKS_MAX_DAYS, settings.TICKS_MAX_BYTES)
    leads = partial(lease.is_newest, lease.token)
    return TickRecorder(settings.TICKS_DIR, retention, context.rest, leads)
