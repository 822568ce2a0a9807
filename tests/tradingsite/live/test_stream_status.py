from decimal import Decimal

from candles.live.state import StreamState, SymbolState
from candles.ohlcv import flat
from candles.shards import Shard
from tests.rows import stream_state
from tradingsite.live.stream_status import BEAT_EXPIRES_MS, STALE_AFTER_MS, Streams, _newest_split

NOW_MS = 10_000_000


def shard(name: str, **fields: object) -> StreamState:
    return stream_state(shard=name, **({"beat_ms": NOW_MS} | fields))


def streams(*told: StreamState) -> Streams:
    return Streams(_newest_split(told), NOW_MS)


def state(time_ms: int) -> SymbolState:
    return SymbolState("BTCUSDT", 1, Decimal(1), time_ms, ["1m"], flat(0, 60_000, Decimal(1)), {})


def test_all_shards_have_to_be_up() -> None:
    assert streams(shard("1/2"), shard("2/2")).availability == "up"
    assert streams(shard("1/2"), shard("2/2", connected=False)).availability == "down"
    assert streams(shard("1/2")).availability == "stale"
    old = NOW_MS - BEAT_EXPIRES_MS - 1
    assert streams(shard("1/2"), shard("2/2", beat_ms=old)).availability == "stale"
    assert streams().availability == "stale"


def test_shards_of_an_earlier_split_do_not_count() -> None:
    now = streams(shard("1/1", beat_ms=NOW_MS - 1), shard("1/2"), shard("2/2"))
    assert [one.shard for one in now.shards] == ["1/2", "2/2"]


def test_a_symbol_is_told_by_the_shard_that_covers_it() -> None:
    ours = "1/2" if Shard(1, 2).covers("BTCUSDT") else "2/2"
    other = {"1/2": "2/2", "2/2": "1/2"}[ours]
    now = streams(shard(ours, holder="us"), shard(other, holder="them", connected=False))
    told = now.of("BTCUSDT")
    assert told is not None
    assert told.holder == "us"
    assert now.symbol_availability("BTCUSDT", state(NOW_MS)) == "live"


def test_a_symbol_is_in_the_worst_of_its_states() -> None:
    fresh, old = state(NOW_MS), state(NOW_MS - STALE_AFTER_MS - 1)
    assert streams(shard("1/1")).symbol_availability("BTCUSDT", old) == "stale"
    assert streams(shard("1/1")).symbol_availability("BTCUSDT", None) == "waiting"
    polled = shard("1/1", polled=["BTCUSDT"], connected=False)
    assert streams(polled).symbol_availability("BTCUSDT", old) == "polled"
    refilling = shard("1/1", refilling={"BTCUSDT": 0})
    assert streams(refilling).symbol_availability("BTCUSDT", old) == "refilling"
    assert streams(shard("1/1", connected=False)).symbol_availability("BTCUSDT", fresh) == "down"
