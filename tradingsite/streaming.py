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
from candles.feed import GRACE_MS
from candles.ingest import grouped
from candles.ohlcv import base_interval_ms
from candles.shards import Shard
from market.binance import Arrived, BadFrame
from market.models import Symbol
from market.rest import ExchangeClock, ExchangeRefused, ExchangeUnreachable, MarketRest
from market.stream import MarketStream
from market.ticks import Tick
from tradingsite.clerk import RETRY_S, Clerk
from tradingsite.ownership import CutOff, Overflow, Ownership

logger = structlog.get_logger(__name__)

LOOK_S = 1.0  # how often the table of symbols is looked at
MEASURE_CLOCK_S = 60.0
POLL_S = 0.1  # how often a stand-by looks whether the owner lives
ALONE_POLL_S = 1.0  # and one without connection, so that connected ones come first
HEARD_TICKS = 5_000  # of each symbol that a stand-by remembers
STOP_WITHIN_S = 3.0
SALES_AT_ONCE = 4  # one that waits for the exchange does not hold the next one up


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
        self.stream = stream
        self.rest = rest
        self.writer = writer
        self.intervals = list(intervals)
        self.shard = shard
        self.clerk = Clerk()
        self.seller = Clerk("seller", at_once=SALES_AT_ONCE)
        self.clock = ExchangeClock()
        self.symbols: dict[str, Symbol] = {}
        self.stopping = threading.Event()
        self.grace_ms = min(GRACE_MS, base_interval_ms(intervals) // 2)
        self._role: StandBy | Ownership = StandBy(self)
        self._looking = False
        self._next_look_s = 0.0

    def stop(self) -> None:
        self.stopping.set()
        self.stream.stop()

    def run(self) -> None:
        """Until `stop`."""
        threading.Thread(target=self._keep_clock, name="clock", daemon=True).start()
        for arrived in self.stream.batches():
            self.clerk.finished()
            self.seller.finished()
            self._look_at_symbols()
            self._take(arrived)
        if isinstance(self._role, Ownership):
            self._role.end()
        for clerk in (self.seller, self.clerk):
            clerk.stop(STOP_WITHIN_S / 2)

    def _take(self, arrived: Arrived) -> None:
        if isinstance(self._role, StandBy):
            self._role.take(arrived)
            if self._role.due() and self._role.takes_over():
                logger.info("stream.owner", shard=str(self.shard), holder=self.writer.holder)
                self._role = Ownership(self, self._role.heard)
            return
        try:
            self._role.take(arrived)
        except (store.Fenced, CutOff, Overflow) as reason:
            logger.warning("stream.stands_by", shard=str(self.shard), reason=str(reason))
            self._role.leave()
            self._role = StandBy(self)

    def _look_at_symbols(self) -> None:
        """Follow what the table of symbols says of our share."""
        if self._looking or time.monotonic() < self._next_look_s:
            return
        self._looking = True
        self.clerk.do(lambda: list(Symbol.objects.followed()), self._follow)

    def _follow(self, followed: Sequence[Symbol]) -> None:
        self._looking, self._next_look_s = False, time.monotonic() + LOOK_S
        before = self.symbols.keys()
        ours = {one.name: one for one in followed if self.shard.covers(one.name)}
        changed = ours.keys() != before
        # The same dictionary stays: others hold it.
        for gone in before - ours.keys():
            del self.symbols[gone]
        self.symbols.update(ours)
        if changed:
            self.stream.follow(ours)

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


class StandBy:
    """Listens, and remembers what it would need to go on without asking.

    `heard` are the last ticks of each symbol, as far as they came without interruption.
    """

    def __init__(self, process: StreamProcess) -> None:
        self.stream, self.writer = process.stream, process.writer
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
