"""Forming candles in Redis, together with the place in the stream they stand for.

The process that owns the symbols holds their candles and writes absolute state: one script
call a batch, all of it or nothing. Whoever else owned them before is fenced off: every owner
takes a higher number, and a write with a lower one changes nothing.

Keys, `{shard}` being the owner's share of the symbols:

    candles:state              hash    symbol -> SymbolState
    candles:ticks:{symbol}     list    runs of ticks, newest last, KEPT_TICKS or a few more
    candles:closed:{shard}     stream  closed candles that may not have reached the database
    candles:stream:{shard}     string  StreamState
    candles:owner:{shard}      string  number of the living owner; expires without a beat
    candles:fence:{shard}      string  number of the last owner
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import msgspec
import redis

from candles.intervals import INTERVALS_MS
from candles.ohlcv import OHLCV, forming_of
from market.ticks import Tick

KEPT_TICKS = 1000
OWNER_EXPIRES_MS = 1500  # another process takes over after this long without a write


class SymbolState(msgspec.Struct, frozen=True):
    """One symbol as its last tick left it: what a successor needs to go on.

    `base` is the open candle of the base interval, `parts` what precedes it in the longer
    ones (candles.ohlcv.SymbolCandles), `intervals` their names.
    """

    symbol: str
    last_tick_id: int
    last_price: Decimal
    last_time_ms: int
    intervals: list[str]
    base: OHLCV
    parts: dict[str, OHLCV]

    @property
    def forming(self) -> dict[str, OHLCV]:
        """The open candle of each interval."""
        spans = {name: INTERVALS_MS[name] for name in self.intervals}
        return forming_of(self.base, self.parts, spans)


class ClosedCandle(msgspec.Struct, frozen=True):
    symbol: str
    interval: str
    candle: OHLCV


class StreamState(msgspec.Struct, frozen=True):
    """What the stream process says about itself. Times are wall-clock milliseconds.

    `lag_ms` is the age of the newest tick when it was received, by the exchange's clock;
    `refilling` says per symbol how many ticks are still to be fetched.
    """

    connected: bool
    last_frame_ms: int
    beat_ms: int
    lag_ms: int
    clock_offset_ms: int
    refilling: dict[str, int]


class TickRun(msgspec.Struct, frozen=True):
    """Ticks to append to a symbol's list, of which the newest `keep` runs then stay."""

    symbol: str
    ticks: list[Tick]
    keep: int


class Batch(msgspec.Struct):
    """What one write carries."""

    stream: StreamState
    states: list[SymbolState] = []
    closed: list[ClosedCandle] = []
    runs: list[TickRun] = []


class Fenced(Exception):
    """Another process owns these symbols now; nothing was written."""


# KEYS: fence, owner, stream state, states, closed, watched.
# ARGV: number, expiry, stream state, then counted runs of states (symbol, JSON), of closed
# candles (JSON), and of runs of ticks (key, how many runs to keep, JSON).
SAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[3], ARGV[3])
local at = 4
for _ = 1, tonumber(ARGV[at]) do
  redis.call('HSET', KEYS[4], ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
  redis.call('XADD', KEYS[5], '*', 'candle', ARGV[at + 1])
  at = at + 1
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
  redis.call('RPUSH', ARGV[at + 1], ARGV[at + 3])
  redis.call('LTRIM', ARGV[at + 1], -tonumber(ARGV[at + 2]), -1)
  at = at + 3
end
return {1, redis.call('GET', KEYS[6])}
"""

# KEYS: owner, fence. ARGV: expiry. Answers the new owner's number, or 0 while one is alive.
TAKE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local number = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], number, 'PX', ARGV[1])
return number
"""

# KEYS: owner, fence. ARGV: number. Lets a successor in at once.
RELEASE = """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

# KEYS: fence, closed. ARGV: number. Does nothing for an owner that was superseded.
TICK_OFF = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
"""

_encode = msgspec.json.Encoder().encode
_state = msgspec.json.Decoder(SymbolState)
_stream = msgspec.json.Decoder(StreamState)
_closed = msgspec.json.Decoder(ClosedCandle)
_ticks = msgspec.json.Decoder(list[Tick])


def _ticks_key(symbol: str) -> str:
    return f"candles:ticks:{symbol}"


class Writer:
    """The right to write one shard's candles.

    Every write answers what the key `watched` holds, so that the owner learns of a change
    there in a round trip that it makes anyway.
    """

    def __init__(self, client: redis.Redis, watched: str, shard: str = "1/1") -> None:
        self.client = client
        self.number = 0
        self._owner = f"candles:owner:{shard}"
        self._fence = f"candles:fence:{shard}"
        self._closed = f"candles:closed:{shard}"
        self._keys = [
            self._fence, self._owner, f"candles:stream:{shard}", "candles:state", self._closed,
            watched,
        ]  # fmt: skip
        self._save = client.register_script(SAVE)
        self._take = client.register_script(TAKE)
        self._release = client.register_script(RELEASE)
        self._tick_off = client.register_script(TICK_OFF)

    def take(self) -> bool:
        """Become the owner unless another one is alive."""
        keys = [self._owner, self._fence]
        self.number = int(cast(int, self._take(keys=keys, args=[OWNER_EXPIRES_MS])))
        return self.number > 0

    def release(self) -> None:
        """Let another process take over without waiting."""
        self._release(keys=[self._owner, self._fence], args=[self.number])

    def save(self, batch: Batch) -> bytes | None:
        """Write a batch, all of it or nothing; return what `watched` holds.

        Raises Fenced where another owner came.
        """
        args: list[Any] = [self.number, OWNER_EXPIRES_MS, _encode(batch.stream)]
        args.append(len(batch.states))
        for state in batch.states:
            args += (state.symbol, _encode(state))
        args.append(len(batch.closed))
        args += map(_encode, batch.closed)
        args.append(len(batch.runs))
        for run in batch.runs:
            args += (_ticks_key(run.symbol), run.keep, _encode(run.ticks))
        written, *watched = cast(list[Any], self._save(keys=self._keys, args=args))
        if not written:
            raise Fenced
        return watched[0] if watched else None

    def unrecorded(self) -> list[ClosedCandle]:
        """Closed candles, oldest first, that an owner wrote and nobody ticked off.

        Each once: a write whose answer was lost is written again.
        """
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], self.client.xrange(self._closed))
        closed = [_closed.decode(fields[b"candle"]) for _, fields in entries]
        return list({(c.symbol, c.interval, c.candle.open_ms): c for c in closed}.values())

    def tick_off(self) -> None:
        """All closed candles that this owner wrote or found stand in the database."""
        self._tick_off(keys=[self._fence, self._closed], args=[self.number])


def read_states(client: redis.Redis, symbols: Sequence[str]) -> dict[str, SymbolState]:
    """The state of those of `symbols` that have one."""
    if not symbols:
        return {}
    found = cast(list[bytes | None], client.hmget("candles:state", list(symbols)))
    states = (_state.decode(text) for text in found if text is not None)
    return {state.symbol: state for state in states}


def forget(client: redis.Redis, symbol: str) -> None:
    """Drop the state of a symbol that is no longer followed; its candles stay."""
    client.hdel("candles:state", symbol)


def recent_ticks(client: redis.Redis, symbol: str, limit: int = KEPT_TICKS) -> list[Tick]:
    """The last `limit` ticks, oldest first; at most those that are kept."""
    runs = cast(list[bytes], client.lrange(_ticks_key(symbol), 0, -1))
    ticks = [tick for run in runs for tick in _ticks.decode(run)]
    return ticks[-min(limit, KEPT_TICKS) :]


def read_stream(client: redis.Redis, shard: str = "1/1") -> StreamState | None:
    """What the stream process last said about itself; None before it ever ran."""
    text = cast(bytes | None, client.get(f"candles:stream:{shard}"))
    return None if text is None else _stream.decode(text)
