"""A stream process on standby: keeps the last ticks, takes over when the leader is gone."""

import time
from collections import deque

import structlog
from redis.exceptions import RedisError

from candles.live.ingest import grouped
from candles.live.state import Unrecorded
from foundation.outages import RETRY_S
from market.ticks import Tick
from market.wire.frames import StreamBatch
from tradingsite.stream.context import StreamContext

POLL_S = 0.1  # how often a standby looks whether the leader lives
ALONE_POLL_S = 1.0  # and one without connection, so that connected ones come first
MAX_HEARD_TICKS = 5_000  # of each symbol that a standby remembers
logger = structlog.get_logger(__name__)


class Standby:
    """Listens, and remembers what it would need to go on without asking.

    `heard` are the last ticks of each symbol, as far as they came without interruption.
    """

    def __init__(self, context: StreamContext) -> None:
        self.stream, self.writer = context.stream, context.writer
        self.heard: dict[str, deque[Tick]] = {}
        self._polled_s = time.monotonic()

    def remember(self, batch: StreamBatch) -> None:
        """Keep the batch's ticks of symbols that come without interruption."""
        for symbol in batch.newly_silent:
            self.heard.pop(symbol, None)
        for symbol, ticks in grouped(batch.ticks).items():
            if symbol in self.stream.live:
                self.heard.setdefault(symbol, deque(maxlen=MAX_HEARD_TICKS)).extend(ticks)

    def is_due(self) -> bool:
        """True where it is time to look whether the leader lives."""
        every_s = POLL_S if self.stream.connected else ALONE_POLL_S
        if time.monotonic() - self._polled_s < every_s:
            return False
        self._polled_s = time.monotonic()
        return True

    def take_over(self) -> Unrecorded | None:
        """Become the leader where none is alive, and return what the last one left; else say that
        we stand by.
        """
        try:
            if self.writer.lease.acquire():
                return self.writer.unrecorded()
            if self.stream.connected:
                self.writer.lease.stand_by()
        except RedisError as error:
            logger.warning("redis.unreachable", error=str(error))
            self._polled_s = time.monotonic() + RETRY_S
        return None
