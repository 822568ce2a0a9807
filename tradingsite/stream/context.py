"""Resources shared by leader and standby for the life of the stream process."""

from dataclasses import dataclass, field

from candles.live.feed import GRACE_MS
from candles.live.state import StateWriter
from candles.ohlcv import base_interval_ms
from candles.shards import Shard
from foundation.worker import DatabaseWorker
from market.clock import ExchangeClock
from market.models import Symbol
from market.rest import MarketRest
from market.stream.client import MarketStream

MAX_EXITS_AT_ONCE = 4  # one that waits for the exchange does not hold the next one up


@dataclass
class StreamContext:
    """One per process, for its shard. `symbols` are the shard's, by name: the same dictionary
    for good, for others hold it. `database` records candles in order; `exits` sends the sales
    of positions whose stops were hit.
    """

    stream: MarketStream
    rest: MarketRest
    writer: StateWriter
    intervals: list[str]
    shard: Shard
    symbols: dict[str, Symbol] = field(default_factory=dict)
    clock: ExchangeClock = field(default_factory=ExchangeClock)
    database: DatabaseWorker = field(default_factory=DatabaseWorker)
    exits: DatabaseWorker = field(
        default_factory=lambda: DatabaseWorker("exits", threads=MAX_EXITS_AT_ONCE)
    )

    def __post_init__(self) -> None:
        self.stream.clock = self.rest.clock = self.clock  # they believe nothing far ahead of it

    @property
    def grace_ms(self) -> int:
        """Time after its end in which a candle waits for ticks that may be under way."""
        return min(GRACE_MS, base_interval_ms(self.intervals) // 2)
