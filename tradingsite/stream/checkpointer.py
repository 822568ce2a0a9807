"""Saving of the leader's state in Redis, batch by batch, and the leader's sign of life."""

import time
from collections.abc import Iterable, Sequence

import structlog
from redis.exceptions import RedisError

from candles.live.ingest import Ingest
from candles.live.state import Batch, StreamState, TickRun, UnrecordedCandle
from foundation.outages import RETRY_S
from foundation.times import now_ms
from market.ticks import Tick
from market.wire.damage import damage
from tradingsite.stream.context import StreamContext
from tradingsite.stream.pace import Pace
from tradingsite.stream.recorder import MAX_HELD, Recorder
from tradingsite.stream.stop_monitor import StopMonitor

logger = structlog.get_logger(__name__)

TICKS_EVERY_S = 0.25
BEAT_EVERY_S = 0.25  # how often a quiet leader says that it lives
# Open candles are written this often at most: what is lost with us is fetched again by its ids.
SAVE_EVERY_S = 0.05
CUT_OFF_S = 1.0  # without a connection for so long, a standby that has one takes over


class Disconnected(Exception):
    """We have no connection to the exchange, and a standby has."""


class UnsavedOverflow(Exception):
    """Redis has been away for longer than we hold what closed meanwhile."""


class Checkpointer:
    """Writes what Redis doesn't have yet; while it is away, holds it and goes on."""

    def __init__(
        self, context: StreamContext, ingest: Ingest, recorder: Recorder, stops: StopMonitor
    ) -> None:
        self.stream, self.writer, self.clock = context.stream, context.writer, context.clock
        self.ingest, self.recorder, self.stops = ingest, recorder, stops
        self.lag_ms = 0
        self.standbys: list[str] = []
        self._unsaved: set[str] = set()  # symbols whose state Redis doesn't have
        self._connected_s = time.monotonic()
        self._beat, self._ticks = Pace(BEAT_EVERY_S), Pace(TICKS_EVERY_S)
        self._saving, self._retry = Pace(SAVE_EVERY_S), Pace(RETRY_S)

    def measure_lag(self, ticks: Sequence[Tick]) -> None:
        """Age of the newest tick when it came, by the exchange's clock."""
        if ticks:
            self.lag_ms = self.clock.now_ms() - ticks[-1].time_ms

    def save(self, changed: Iterable[str]) -> None:
        """Save the state of the symbols that `changed`, or hold it for the next turn.

        Raises Fenced, Disconnected or UnsavedOverflow.
        """
        self._unsaved.update(changed)
        beat, closed = self._beat.is_due(), self.recorder.unsaved
        due = beat or closed or (self._unsaved and self._saving.is_due())
        if not due or not self._retry.is_due():
            return
        held_back = {*self.stops.unsold_symbols, *self.recorder.revising_symbols}
        saving = self._unsaved - held_back  # whoever takes over has to see those ticks again
        batch = self._batch(saving, closed, beat=beat)
        try:
            if beat:
                self._yield_if_cut_off()
            answer = self.writer.save(batch)
        except RedisError as error:
            self._hold(batch, error)
            return
        self._unsaved -= saving
        self._saving.restart()
        if beat:
            self._beat.restart()
        self.recorder.saved(closed, answer)
        self.stops.refresh(answer.watched)

    def _hold(self, batch: Batch, error: RedisError) -> None:
        """Keep what Redis did not take, up to a bound, and try again in a while."""
        logger.warning("redis.unreachable", error=str(error), held=len(batch.closed))
        self._retry.restart()
        for run in batch.runs:
            if feed := self.ingest.feeds.get(run.symbol):
                feed.recent.requeue()
        if len(batch.closed) > MAX_HELD:
            raise UnsavedOverflow(f"{len(batch.closed)} closed candles and no Redis") from error

    def _yield_if_cut_off(self) -> None:
        """Leave to a standby that is connected where we are not."""
        self.standbys = self.writer.lease.standbys()
        if self.stream.connected:
            self._connected_s = time.monotonic()
        elif self.standbys and time.monotonic() - self._connected_s > CUT_OFF_S:
            self.writer.lease.release()
            raise Disconnected(f"no connection to the exchange; {self.standbys[0]} has one")

    def _batch(
        self, symbols: Iterable[str], closed: list[UnrecordedCandle], *, beat: bool
    ) -> Batch:
        feeds = [self.ingest.feeds[symbol] for symbol in symbols if symbol in self.ingest.feeds]
        states = [state for feed in feeds if (state := feed.state()) is not None]
        stream = self._stream_state() if beat else None
        recorded = self.recorder.pop_recorded()
        return Batch(stream, states, closed, self._tick_runs(), recorded)

    def _tick_runs(self) -> list[TickRun]:
        """The ticks themselves are written more seldom: in a rush most are soon superseded."""
        if not self._ticks.due():
            return []
        feeds = self.ingest.feeds.values()
        return [run for feed in feeds if (run := feed.recent.drain()) is not None]

    def _stream_state(self) -> StreamState:
        wall_ms = now_ms()
        quiet_ms = int((time.monotonic() - self.stream.last_frame_s) * 1000)
        feeds = self.ingest.feeds.items()
        return StreamState(
            connected=self.stream.connected,
            last_frame_ms=wall_ms - quiet_ms if self.stream.last_frame_s else 0,
            beat_ms=wall_ms,
            lag_ms=self.lag_ms,
            clock_offset_ms=self.clock.ahead_ms(),
            refilling={
                symbol: feed.missing_ticks
                for symbol, feed in feeds
                if not (feed.is_complete or feed.deaf)
            },
            polled=self.ingest.polled,
            shard=self.writer.lease.shard,
            holder=self.writer.lease.holder,
            standbys=self.standbys,
            damaged=damage.counts(),
        )
