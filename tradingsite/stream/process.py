"""The stream process: from the socket to candles, stops and pages, batch by batch.

One process at a time owns a shard's symbols; others stand by, connected and listening, and go
on from the owner's stored state as soon as it falls silent.
"""

import threading
import time
from collections.abc import Sequence

import structlog

from candles.live.lease import Fenced
from candles.live.state import StateWriter
from candles.shards import Shard
from foundation.worker import RETRY_S
from market.models import Symbol
from market.rest import ExchangeRefused, ExchangeUnreachable, MarketRest
from market.stream.client import MarketStream
from market.wire import Arrived, BadFrame
from tradingsite.stream.context import Desk
from tradingsite.stream.leader import CutOff, Overflow, Ownership
from tradingsite.stream.standby import StandBy

logger = structlog.get_logger(__name__)

LOOK_S = 1.0  # how often the table of symbols is looked at
MEASURE_CLOCK_S = 60.0
STOP_WITHIN_S = 3.0


class StreamProcess:
    """Stands by for a shard's symbols, owns them while it can, and stands by again."""

    def __init__(
        self,
        stream: MarketStream,
        rest: MarketRest,
        writer: StateWriter,
        intervals: Sequence[str],
        shard: Shard = Shard(),  # noqa: B008  # a frozen value
    ) -> None:
        self.desk = Desk(stream, rest, writer, list(intervals), shard)
        self.stopping = threading.Event()
        self._role: StandBy | Ownership = StandBy(self.desk)
        self._looking = False
        self._next_look_s = 0.0

    def stop(self) -> None:
        self.stopping.set()
        self.desk.stream.stop()

    def run(self) -> None:
        """Until `stop`."""
        threading.Thread(target=self._keep_clock, name="clock", daemon=True).start()
        for arrived in self.desk.stream.batches():
            self.desk.clerk.finished()
            self.desk.seller.finished()
            self._look_at_symbols()
            self._take(arrived)
        if isinstance(self._role, Ownership):
            self._role.end()
        for clerk in (self.desk.seller, self.desk.clerk):
            clerk.stop(STOP_WITHIN_S / 2)

    def _take(self, arrived: Arrived) -> None:
        if isinstance(self._role, StandBy):
            self._role.take(arrived)
            if self._role.due() and self._role.takes_over():
                shard, holder = str(self.desk.shard), self.desk.writer.lease.holder
                logger.info("stream.owner", shard=shard, holder=holder)
                self._role = Ownership(self.desk, self._role.heard)
            return
        try:
            self._role.take(arrived)
        except (Fenced, CutOff, Overflow) as reason:
            logger.warning("stream.stands_by", shard=str(self.desk.shard), reason=str(reason))
            self._role.leave()
            self._role = StandBy(self.desk)

    def _look_at_symbols(self) -> None:
        """Follow what the table of symbols says of our share."""
        if self._looking or time.monotonic() < self._next_look_s:
            return
        self._looking = True
        self.desk.clerk.do(lambda: list(Symbol.objects.followed()), self._follow)

    def _follow(self, followed: Sequence[Symbol]) -> None:
        self._looking, self._next_look_s = False, time.monotonic() + LOOK_S
        symbols = self.desk.symbols
        ours = {one.name: one for one in followed if self.desk.shard.covers(one.name)}
        changed = ours.keys() != symbols.keys()
        for gone in symbols.keys() - ours.keys():
            del symbols[gone]
        symbols.update(ours)
        if changed:
            self.desk.stream.follow(ours)

    def _keep_clock(self) -> None:
        while not self.stopping.is_set():
            try:
                self.desk.clock.measure(self.desk.rest)
                self.stopping.wait(MEASURE_CLOCK_S)
            except ExchangeUnreachable as error:
                logger.warning("clock.unmeasured", error=str(error))
                self.stopping.wait(max(RETRY_S, error.retry_after_s))
            except (ExchangeRefused, BadFrame) as error:
                logger.error("clock.unmeasured", error=str(error))
                self.stopping.wait(MEASURE_CLOCK_S)
