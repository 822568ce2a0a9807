"""The stream process: from the socket to candles, stops and pages, batch by batch.

One process at a time leads a shard; others stand by, connected and listening, and go on from
the leader's stored state as soon as it falls silent.
"""

import threading
import time
from collections.abc import Sequence

import structlog

from candles.live.lease import Fenced
from candles.live.state import StateWriter
from candles.shards import Shard
from foundation.outages import RETRY_S
from market.failures import ExchangeUnreachable, Refused
from market.models import Symbol
from market.rest import MarketRest
from market.stream.client import MarketStream
from market.wire.bounds import BadFrame
from market.wire.frames import StreamBatch
from tradingsite.stream.checkpointer import Disconnected, UnsavedOverflow
from tradingsite.stream.context import StreamContext
from tradingsite.stream.leader import Leader
from tradingsite.stream.standby import Standby

logger = structlog.get_logger(__name__)

SYMBOLS_EVERY_S = 1.0  # how often the table of symbols is read
CLOCK_EVERY_S = 60.0
STOP_WITHIN_S = 3.0


class StreamProcess:
    """Stands by for a shard's symbols, leads while it can, and stands by again."""

    def __init__(
        self,
        stream: MarketStream,
        rest: MarketRest,
        writer: StateWriter,
        intervals: Sequence[str],
        shard: Shard = Shard(),  # noqa: B008  # a frozen value
    ) -> None:
        self.context = StreamContext(stream, rest, writer, list(intervals), shard)
        self.stopping = threading.Event()
        self._role: Standby | Leader = Standby(self.context)
        self._reading_symbols = False
        self._next_symbols_s = 0.0

    def stop(self) -> None:
        self.stopping.set()
        self.context.stream.stop()

    def run(self) -> None:
        """Until `stop`."""
        threading.Thread(target=self._sync_clock, name="clock", daemon=True).start()
        for batch in self.context.stream.batches():
            self.context.database.collect()
            self.context.exits.collect()
            self._refresh_symbols()
            self._step(batch)
        if isinstance(self._role, Leader):
            self._role.release()
        for worker in (self.context.exits, self.context.database):
            worker.stop(STOP_WITHIN_S / 2)

    def _step(self, batch: StreamBatch) -> None:
        if isinstance(self._role, Standby):
            self._stand_by(self._role, batch)
        else:
            self._lead(self._role, batch)

    def _stand_by(self, standby: Standby, batch: StreamBatch) -> None:
        standby.remember(batch)
        unrecorded = standby.take_over() if standby.is_due() else None
        if unrecorded is not None:
            shard, holder = str(self.context.shard), self.context.writer.lease.holder
            logger.info("stream.became_leader", shard=shard, holder=holder)
            self._role = Leader(self.context, standby.heard, unrecorded)

    def _lead(self, leader: Leader, batch: StreamBatch) -> None:
        try:
            leader.step(batch)
        except (Fenced, Disconnected, UnsavedOverflow) as reason:
            logger.warning(
                "stream.became_standby", shard=str(self.context.shard), reason=str(reason)
            )
            leader.stop()
            self._role = Standby(self.context)

    def _refresh_symbols(self) -> None:
        """Follow what the table of symbols says of our share."""
        if self._reading_symbols or time.monotonic() < self._next_symbols_s:
            return
        self._reading_symbols = True
        self.context.database.submit(lambda: list(Symbol.objects.followed()), self._follow)

    def _follow(self, followed: Sequence[Symbol]) -> None:
        self._reading_symbols = False
        self._next_symbols_s = time.monotonic() + SYMBOLS_EVERY_S
        symbols = self.context.symbols
        ours = {one.name: one for one in followed if self.context.shard.covers(one.name)}
        changed = ours.keys() != symbols.keys()
        for gone in symbols.keys() - ours.keys():
            del symbols[gone]
        symbols.update(ours)
        if changed:
            self.context.stream.follow(ours)

    def _sync_clock(self) -> None:
        while not self.stopping.is_set():
            try:
                self.context.clock.sync(self.context.rest)
                self.stopping.wait(CLOCK_EVERY_S)
            except ExchangeUnreachable as error:
                logger.warning("clock.sync_failed", error=str(error))
                self.stopping.wait(max(RETRY_S, error.retry_after_s))
            except (Refused, BadFrame) as error:
                logger.error("clock.sync_failed", error=str(error))
                self.stopping.wait(CLOCK_EVERY_S)
