"""What the stream process works with for its shard, whichever part it plays."""

from dataclasses import dataclass, field

from candles.live.feed import GRACE_MS
from candles.live.state import StateWriter
from candles.ohlcv import base_interval_ms
from candles.shards import Shard
from foundation.worker import Clerk
from market.clock import ExchangeClock
from market.models import Symbol
from market.rest import MarketRest
from market.stream.client import MarketStream

SALES_AT_ONCE = 4  # one that waits for the exchange does not hold the next one up


@dataclass
class Desk:
    """It outlasts every spell of owning and standing by. `symbols` are the shard's, by name: the
    same dictionary for good, for others hold it.
    """

    stream: MarketStream
    rest: MarketRest
    writer: StateWriter
    intervals: list[str]
    shard: Shard
    symbols: dict[str, Symbol] = field(default_factory=dict)
    clock: ExchangeClock = field(default_factory=ExchangeClock)
    clerk: Clerk = field(default_factory=Clerk)
    seller: Clerk = field(default_factory=lambda: Clerk("seller", at_once=SALES_AT_ONCE))

    @property
    def grace_ms(self) -> int:
        """How long after its end a candle waits for ticks that may be under way."""
        return min(GRACE_MS, base_interval_ms(self.intervals) // 2)
