"""Status of the stream processes, as they report it, for pages and for /health."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from redis.exceptions import RedisError

from candles.live.state import StreamState, SymbolState, read_streams
from candles.shards import Shard
from foundation.redis import connection
from foundation.times import now_ms

BEAT_EXPIRES_MS = 3_000  # a leader says several times a second that it lives
STALE_AFTER_MS = 60_000  # without a tick; quiet markets have such minutes, so it is no failure

Availability = Literal["up", "down", "stale"]
SymbolAvailability = Literal["live", "waiting", "refilling", "polled", "stale", "down"]


class StreamSummary(NamedTuple):
    """The part of the status that a page has to hear of at once when it changes."""

    availability: Availability
    refilling: dict[str, int]
    polled: list[str]
    standbys: int


@dataclass(frozen=True)
class Streams:
    """The shards as the newest split has them; `now_ms` is when they were looked at."""

    shards: Sequence[StreamState]
    now_ms: int

    @classmethod
    def read(cls) -> "Streams":
        """The streams as reported in Redis; without Redis there are none."""
        read_ms = now_ms()
        try:
            states = read_streams(connection())
        except RedisError:
            states = []
        return cls(_newest_split(states), read_ms)

    @property
    def availability(self) -> Availability:
        """`down`: one runs and has no connection. `stale`: nothing is heard of one any more."""
        split = Shard.parse(self.shards[0].shard).count if self.shards else 1
        if len(self.shards) < split or any(map(self.silent, self.shards)):
            return "stale"
        return "up" if all(shard.connected for shard in self.shards) else "down"

    @property
    def lag_ms(self) -> int | None:
        return max((shard.lag_ms for shard in self.shards), default=None)

    @property
    def last_frame_ms(self) -> int | None:
        """The time of the last frame, of the shard that waits longest; None where one had none."""
        return min((shard.last_frame_ms for shard in self.shards), default=0) or None

    @property
    def refilling(self) -> dict[str, int]:
        return {symbol: left for shard in self.shards for symbol, left in shard.refilling.items()}

    @property
    def polled(self) -> list[str]:
        return sorted(symbol for shard in self.shards for symbol in shard.polled)

    @property
    def damaged(self) -> dict[str, int]:
        """Counts of what came and could not be, by kind."""
        return dict(sum((Counter(shard.damaged) for shard in self.shards), Counter()))

    @property
    def standbys(self) -> int:
        return sum(len(shard.standbys) for shard in self.shards)

    @property
    def summary(self) -> StreamSummary:
        return StreamSummary(self.availability, self.refilling, self.polled, self.standbys)

    def of(self, symbol: str) -> StreamState | None:
        """The shard that follows `symbol`; None where none ever ran."""
        ours = (one for one in self.shards if Shard.parse(one.shard).covers(symbol))
        return next(ours, None)

    def silent(self, shard: StreamState) -> bool:
        return self.now_ms - shard.beat_ms > BEAT_EXPIRES_MS

    def symbol_availability(self, symbol: str, state: SymbolState | None) -> SymbolAvailability:
        """Availability of one symbol's ticks; `state` is None before the first: `waiting`.

        `polled`: the stream carries nothing of it, REST is asked in its place.
        """
        shard = self.of(symbol)
        if shard is None or self.silent(shard):
            return "down"
        if symbol in shard.polled:
            return "polled"
        if not shard.connected:
            return "down"
        if symbol in shard.refilling:
            return "refilling"
        if state is None:
            return "waiting"
        return "stale" if self.now_ms - state.last_time_ms > STALE_AFTER_MS else "live"


def _newest_split(states: Sequence[StreamState]) -> list[StreamState]:
    """Shards of as many shares as the last one heard of; others are of an earlier split."""
    if not states:
        return []
    newest = max(states, key=lambda shard: shard.beat_ms)
    count = Shard.parse(newest.shard).count
    return [shard for shard in states if Shard.parse(shard.shard).count == count]
