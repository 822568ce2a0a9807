"""Forming candles in Redis, together with the offset in the stream that they stand for.

The leader of a shard holds its candles and writes absolute state: one script call a batch, all
of it or nothing, and only while its lease holds (candles.live.lease).

Keys, `{shard}` being the leader's share of the symbols:

    candles:state              hash    symbol -> SymbolState
    candles:ticks:{symbol}     list    runs of ticks, newest last, KEPT_TICKS or a few more
    candles:closed:{shard}     stream  closed candles that may not have reached the database
    candles:streams            hash    shard -> StreamState
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
import redis
import structlog

from candles.intervals import INTERVALS_MS
from candles.live.lease import LEASE_MS, Fenced, Lease, lua
from candles.ohlcv import OHLCV, ClosingTick
from candles.rollup import forming_of
from market.ticks import Tick

logger = structlog.get_logger(__name__)
T = TypeVar("T")

KEPT_TICKS = 1000
SAVE = lua("save")


class Counts(msgspec.Struct):
    """Irregularities of a symbol's stream so far, in ticks.

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
    ones (candles.rollup.SymbolCandles), `intervals` their names.
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


class UnrecordedCandle(msgspec.Struct, frozen=True):
    """A candle on its way to the database, and the tick that closed it, if one did."""

    symbol: str
    interval: str
    candle: OHLCV
    cause: ClosingTick | None = None


class Unrecorded(NamedTuple):
    """Closed candles that Redis keeps until the database has them, oldest first, and the entry of
    the last of them.
    """

    closed: list[UnrecordedCandle]
    entry: str


class StreamState(msgspec.Struct, frozen=True):
    """The leader of a shard as it describes itself. Times are wall-clock milliseconds.

    `lag_ms` is the age of the newest tick when it was received, by the exchange's clock;
    `refilling` says per symbol how many ticks are still to be fetched; the stream is deaf on
    those that are `polled`, REST is asked in its place.
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
    polled: list[str] = []
    damaged: dict[str, int] = {}  # events and rows that could not be, by kind, since it started


class TickRun(msgspec.Struct, frozen=True):
    """Ticks to append to a symbol's list, of which the newest `keep` runs then stay."""

    symbol: str
    text: bytes  # of `encode_ticks`
    keep: int


class Batch(msgspec.Struct):
    """One write. Closed candles up to `recorded` are in the database by now."""

    stream: StreamState | None = None  # None: unchanged since the last write
    states: list[SymbolState] = []
    closed: list[UnrecordedCandle] = []
    runs: list[TickRun] = []
    recorded: str = ""


_encode = msgspec.json.Encoder().encode
_state = msgspec.json.Decoder(SymbolState)
_stream = msgspec.json.Decoder(StreamState)
_closed = msgspec.json.Decoder(UnrecordedCandle)
_ticks = msgspec.json.Decoder(list[Tick])


def _readable(decoder: msgspec.json.Decoder[T], text: bytes) -> T | None:
    """The value of a text, None where it cannot be read: it is missing then, and asked for anew."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        logger.error("state.unreadable", error=str(error), text=text[:200].decode(errors="replace"))
        return None


def encode_ticks(ticks: Sequence[Tick]) -> bytes:
    """As they stand in Redis: a JSON array."""
    return _encode(ticks)


def decode_ticks(text: bytes) -> list[Tick]:
    return _ticks.decode(text)


def _ticks_key(symbol: str) -> str:
    return f"candles:ticks:{symbol}"


class Saved(msgspec.Struct, frozen=True):
    """Redis's answer to a batch: what `watched` holds, and the newest closed entry."""

    watched: bytes | None
    newest: str


class StateWriter:
    """Writes a shard's state, as long as its lease holds.

    Every write answers what the key `watched` holds, so that the leader learns of a change
    there in a round trip that it makes anyway.
    """

    def __init__(self, lease: Lease, watched: str) -> None:
        self.lease = lease
        self.client = lease.client
        self._closed = f"candles:closed:{lease.shard}"
        self._keys = [
            lease.fence_key, lease.key, "candles:streams", "candles:state", self._closed, watched,
        ]  # fmt: skip
        self._save = self.client.register_script(SAVE)

    def save(self, batch: Batch) -> Saved:
        """Write a batch, all of it or nothing, and renew the lease.

        Raises Fenced where another process leads by now.
        """
        stream = _encode(batch.stream) if batch.stream else b""
        lease = self.lease
        args: list[Any] = [lease.token, LEASE_MS, lease.shard, stream, batch.recorded]
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

    def unrecorded(self) -> Unrecorded:
        """Closed candles that may not be in the database.

        Each once: a write whose answer was lost is written again.
        """
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], self.client.xrange(self._closed))
        texts = (fields[b"candle"] for _, fields in entries)
        closed = [one for text in texts if (one := _readable(_closed, text)) is not None]
        unique = {(c.symbol, c.interval, c.candle.open_ms): c for c in closed}
        return Unrecorded(list(unique.values()), entries[-1][0].decode() if entries else "")


def read_states(client: redis.Redis, symbols: Sequence[str]) -> dict[str, SymbolState]:
    """The state of those of `symbols` that have one."""
    if not symbols:
        return {}
    found = cast(list[bytes | None], client.hmget("candles:state", list(symbols)))
    states = (_readable(_state, text) for text in found if text is not None)
    return {state.symbol: state for state in states if state is not None}


def forget(client: redis.Redis, symbol: str) -> None:
    """Drop the state of a symbol that is no longer followed; its candles stay."""
    client.hdel("candles:state", symbol)


def recent_ticks(client: redis.Redis, symbol: str, limit: int = KEPT_TICKS) -> list[Tick]:
    """The last `limit` ticks, oldest first; at most those that are kept."""
    runs = cast(list[bytes], client.lrange(_ticks_key(symbol), 0, -1))
    # A run whose write was never answered is written again.
    ticks = {tick.tick_id: tick for run in runs for tick in _readable(_ticks, run) or ()}
    return list(ticks.values())[-min(limit, KEPT_TICKS) :]


def read_streams(client: redis.Redis) -> list[StreamState]:
    """The last StreamState of each shard; none before a leader ever ran."""
    texts = cast(dict[bytes, bytes], client.hgetall("candles:streams"))
    states = (_readable(_stream, text) for text in texts.values())
    return [state for state in states if state is not None]
