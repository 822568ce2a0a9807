"""Forming candles in Redis, together with the place in the stream they stand for.

The process that owns the symbols holds their candles and writes absolute state: one script
call a batch, all of it or nothing. Whoever else owned them before is fenced off: every owner
takes a token of its own, and a write with another one changes nothing.

Keys, `{shard}` being the owner's share of the symbols:

    candles:state              hash    symbol -> SymbolState
    candles:ticks:{symbol}     list    runs of ticks, newest last, KEPT_TICKS or a few more
    candles:closed:{shard}     stream  closed candles that may not have reached the database
    candles:streams            hash    shard -> StreamState
    candles:owner:{shard}      string  token of the living owner; expires without a beat
    candles:fence:{shard}      string  token of the last owner
    candles:standby:{shard}    hash    name of a process that stands by -> when it said so, in ms
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import msgspec
import redis

from candles.intervals import INTERVALS_MS
from candles.ohlcv import OHLCV, Cause, forming_of
from market.ticks import Tick

KEPT_TICKS = 1000
OWNER_EXPIRES_MS = 1000  # another process takes over after this long without a write
STANDBY_EXPIRES_MS = 1500


class Counts(msgspec.Struct):
    """What a symbol's line has done so far, in ticks.

    `refilled` were fetched over REST, `holes` are ids that the exchange says it doesn't have,
    `given_up` ids that it never gave, and `late` came after their candle had closed.
    """

    refilled: int = 0
    holes: int = 0
    given_up: int = 0
    late: int = 0


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
    counts: Counts = msgspec.field(default_factory=Counts)

    @property
    def forming(self) -> dict[str, OHLCV]:
        """The open candle of each interval."""
        spans = {name: INTERVALS_MS[name] for name in self.intervals}
        return forming_of(self.base, self.parts, spans)


class ClosedCandle(msgspec.Struct, frozen=True):
    symbol: str
    interval: str
    candle: OHLCV
    cause: Cause | None = None


class StreamState(msgspec.Struct, frozen=True):
    """What the owner of a shard says about itself. Times are wall-clock milliseconds.

    `lag_ms` is the age of the newest tick when it was received, by the exchange's clock;
    `refilling` says per symbol how many ticks are still to be fetched.
    """

    connected: bool
    last_frame_ms: int
    beat_ms: int
    lag_ms: int
    clock_offset_ms: int
    refilling: dict[str, int]
    shard: str = "1/1"
    holder: str = ""
    standbys: list[str] = []


class TickRun(msgspec.Struct, frozen=True):
    """Ticks to append to a symbol's list, of which the newest `keep` runs then stay."""

    symbol: str
    text: bytes  # of `encode_ticks`
    keep: int


class Batch(msgspec.Struct):
    """What one write carries. Closed candles up to `recorded` are in the database by now."""

    stream: StreamState | None = None  # None: as it was told last
    states: list[SymbolState] = []
    closed: list[ClosedCandle] = []
    runs: list[TickRun] = []
    recorded: str = ""


class Fenced(Exception):
    """Another process owns these symbols now; nothing was written."""


# KEYS: fence, owner, streams, states, closed, watched, standby.
# ARGV: token, expiry, shard, stream state or nothing, the newest recorded entry or nothing, then
# counted runs of states (symbol, JSON), of closed candles (JSON), and of runs of ticks (key, how
# many runs to keep, JSON).
SAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[3], ARGV[3], ARGV[4]) end
if ARGV[5] ~= '' then
  redis.call('XTRIM', KEYS[5], 'MINID', ARGV[5])
  redis.call('XDEL', KEYS[5], ARGV[5])
end
local at = 6
for _ = 1, tonumber(ARGV[at]) do
  redis.call('HSET', KEYS[4], ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
at = at + 1
local newest = ''
for _ = 1, tonumber(ARGV[at]) do
  newest = redis.call('XADD', KEYS[5], '*', 'candle', ARGV[at + 1])
  at = at + 1
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
  redis.call('RPUSH', ARGV[at + 1], ARGV[at + 3])
  redis.call('LTRIM', ARGV[at + 1], -tonumber(ARGV[at + 2]), -1)
  at = at + 3
end
return {1, redis.call('GET', KEYS[6]), newest}
"""

# KEYS: owner, fence, standby. ARGV: token, expiry, name. Says 0 while an owner is alive.
TAKE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3])
return 1
"""

# KEYS: owner, fence. ARGV: token. Lets a successor in at once.
RELEASE = """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

# KEYS: standby. ARGV: name or nothing, longest silence in ms. Says who stands by, and forgets
# those that no longer do; the time is Redis's own, for the processes' clocks may differ.
STAND_BY = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], now) end
local names = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if now - all[at + 1] > tonumber(ARGV[2]) then redis.call('HDEL', KEYS[1], all[at])
  else names[#names + 1] = all[at] end
end
return names
"""

_encode = msgspec.json.Encoder().encode
_state = msgspec.json.Decoder(SymbolState)
_stream = msgspec.json.Decoder(StreamState)
_closed = msgspec.json.Decoder(ClosedCandle)
_ticks = msgspec.json.Decoder(list[Tick])


def encode_ticks(ticks: Sequence[Tick]) -> bytes:
    """As they stand in Redis: a JSON array."""
    return _encode(ticks)


def decode_ticks(text: bytes) -> list[Tick]:
    return _ticks.decode(text)


def _ticks_key(symbol: str) -> str:
    return f"candles:ticks:{symbol}"


class Saved(msgspec.Struct, frozen=True):
    """What Redis answered to a batch: what `watched` holds, and the newest closed entry."""

    watched: bytes | None
    newest: str


class Writer:
    """The right to write one shard's candles, held or stood by for under the name `holder`.

    Every write answers what the key `watched` holds, so that the owner learns of a change
    there in a round trip that it makes anyway.
    """

    def __init__(
        self, client: redis.Redis, watched: str, shard: str = "1/1", holder: str = ""
    ) -> None:
        self.client = client
        self.shard = shard
        self.holder = holder
        self.token = ""
        self._owner = f"candles:owner:{shard}"
        self._fence = f"candles:fence:{shard}"
        self._closed = f"candles:closed:{shard}"
        self._standby = f"candles:standby:{shard}"
        self._keys = [
            self._fence, self._owner, "candles:streams", "candles:state", self._closed, watched,
        ]  # fmt: skip
        self._save = client.register_script(SAVE)
        self._take = client.register_script(TAKE)
        self._release = client.register_script(RELEASE)
        self._stand_by = client.register_script(STAND_BY)

    def take(self) -> bool:
        """Become the owner unless another one is alive."""
        token = uuid4().hex
        keys = [self._owner, self._fence, self._standby]
        taken = bool(self._take(keys=keys, args=[token, OWNER_EXPIRES_MS, self.holder]))
        self.token = token if taken else ""
        return taken

    def release(self) -> None:
        """Let another process take over without waiting."""
        self._release(keys=[self._owner, self._fence], args=[self.token])

    def stand_by(self) -> None:
        """Say that we are connected and would take over."""
        self._stand_by(keys=[self._standby], args=[self.holder, STANDBY_EXPIRES_MS])

    def standbys(self) -> list[str]:
        """Who would take over."""
        names = self._stand_by(keys=[self._standby], args=["", STANDBY_EXPIRES_MS])
        return sorted(name.decode() for name in cast(list[bytes], names))

    def save(self, batch: Batch) -> Saved:
        """Write a batch, all of it or nothing. Raises Fenced where another owner came."""
        told = _encode(batch.stream) if batch.stream else b""
        args: list[Any] = [self.token, OWNER_EXPIRES_MS, self.shard, told, batch.recorded]
        args.append(len(batch.states))
        for state in batch.states:
            args += (state.symbol, _encode(state))
        args.append(len(batch.closed))
        args += map(_encode, batch.closed)
        args.append(len(batch.runs))
        for run in batch.runs:
            args += (_ticks_key(run.symbol), run.keep, run.text)
        written, *answer = cast(list[Any], self._save(keys=self._keys, args=args))
        if not written:
            raise Fenced
        watched, newest = answer
        return Saved(watched, newest.decode())

    def unrecorded(self) -> tuple[list[ClosedCandle], str]:
        """Closed candles, oldest first, that may not be in the database, and the last's entry.

        Each once: a write whose answer was lost is written again.
        """
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], self.client.xrange(self._closed))
        closed = [_closed.decode(fields[b"candle"]) for _, fields in entries]
        unique = {(c.symbol, c.interval, c.candle.open_ms): c for c in closed}
        return list(unique.values()), entries[-1][0].decode() if entries else ""


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
    # A run whose write was never answered is written again.
    ticks = {tick.tick_id: tick for run in runs for tick in decode_ticks(run)}
    return list(ticks.values())[-min(limit, KEPT_TICKS) :]


def read_streams(client: redis.Redis) -> list[StreamState]:
    """What the owner of each shard last said about itself; none before one ever ran."""
    texts = cast(dict[bytes, bytes], client.hgetall("candles:streams"))
    return [_stream.decode(text) for text in texts.values()]
