"""The stream process: from the socket to candles, stops and pages, batch by batch.

One process at a time owns a shard's symbols; others stand by, connected and listening, and go
on from the owner's stored state as soon as it falls silent.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence

import structlog
from redis.exceptions import RedisError

from candles import store
from candles.ingest import grouped
from candles.shards import Shard
from market.binance import Arrived, BadFrame
from market.models import Symbol
from market.rest import ExchangeRefused, ExchangeUnreachable, MarketRest
from market.stream import MarketStream
from market.ticks import Tick
from tradingsite.clerk import RETRY_S
from tradingsite.desk import Desk
from tradingsite.ownership import CutOff, Overflow, Ownership

logger = structlog.get_logger(__name__)

LOOK_S = 1.0  # how often the table of symbols is looked at
MEASURE_CLOCK_S = 60.0
POLL_S = 0.1  # how often a stand-by looks whether the owner lives
ALONE_POLL_S = 1.0  # and one without connection, so that connected ones come first
HEARD_TICKS = 5_000  # of each symbol that a stand-by remembers
STOP_WITHIN_S = 3.0


class StreamProcess:
    """Stands by for a shard's symbols, owns them while it can, and stands by again."""

    def __init__(
        self,
        stream: MarketStream,
        rest: MarketRest,
        writer: store.Writer,
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
                shard, holder = str(self.desk.shard), self.desk.writer.holder
                logger.info("stream.owner", shard=shard, holder=holder)
                self._role = Ownership(self.desk, self._role.heard)
            return
        try:
            self._role.take(arrived)
        except (store.Fenced, CutOff, Overflow) as reason:
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


class StandBy:
    """Listens, and remembers what it would need to go on without asking.

    `heard` are the last ticks of each symbol, as far as they came without interruption.
    """

    def __init__(self, desk: Desk) -> None:
        self.stream, self.writer = desk.stream, desk.writer
        self.heard: dict[str, deque[Tick]] = {}
        self._polled_s = time.monotonic()

    def take(self, arrived: Arrived) -> None:
        for symbol in self.stream.newly_silent:
            self.heard.pop(symbol, None)
        self.stream.newly_silent.clear()
        self.stream.newly_live.clear()  # whoever is live when we take over is asked for then
        for symbol, ticks in grouped(arrived.ticks).items():
            if symbol in self.stream.live:
                self.heard.setdefault(symbol, deque(maxlen=HEARD_TICKS)).extend(ticks)

    def due(self) -> bool:
        """Whether it is time to look after the owner."""
        every_s = POLL_S if self.stream.connected else ALONE_POLL_S
        if time.monotonic() - self._polled_s < every_s:
            return False
        self._polled_s = time.monotonic()
        return True

    def takes_over(self) -> bool:
        """Say that we stand by, or become the owner where none is alive."""
        try:
            if self.writer.take():
                return True
            if self.stream.connected:
                self.writer.stand_by()
        except RedisError as error:
            logger.warning("redis.unreachable", error=str(error))
            self._polled_s = time.monotonic() + RETRY_S
        return False
