import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from market.ticks import Side, Tick
from market.wire.frames import KlineEvent, read_frames

FRAME = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1723161255343,"s":"BTCUSDT",'
    b'"a":26129,"p":"61837.63000000","q":"0.02000000","f":100,"l":105,"T":1723161255342,'
    b'"m":true,"M":true,"new":"field"}}'
)
KLINE = (
    b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1723161302001,"s":"BTCUSDT","k":{'
    b'"t":1723161240000,"T":1723161299999,"s":"BTCUSDT","i":"1m","f":100,"L":105,'
    b'"o":"61837.63000000","c":"61831.10000000","h":"61840.00000000","l":"61830.00000000",'
    b'"v":"0.12000000","n":6,"x":true,"q":"7420.51560000","V":"0.02000000",'
    b'"Q":"1236.75260000","B":"0"}}}'
)


def test_an_aggregate_trade_becomes_a_tick() -> None:
    (tick,) = read_frames([FRAME]).ticks
    assert tick == Tick(
        "BTCUSDT", 26129, Decimal("61837.63"), Decimal("0.02"), 100, 105, 1723161255342, True
    )
    assert tick.taker is Side.SELL
    assert tick.trades == 6


@pytest.mark.parametrize(
    ("reply", "refused"),
    [
        (b'{"result":null,"id":1}', False),
        (b'{"result":["btcusdt@aggTrade"],"id":1}', False),
        (b'{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}', True),
        (b'{"code":2,"msg":"Invalid request: invalid stream","id":1}', True),
    ],
)
def test_control_replies_are_told_from_ticks(reply: bytes, refused: bool) -> None:
    batch = read_frames([FRAME, reply, FRAME])
    assert len(batch.ticks) == 2
    assert [answer.id for answer in batch.replies] == [1]
    assert batch.replies[0].refused is refused


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"stream":"x","data":{"e":"trade","E":1}}',
        FRAME.replace(b'"0.02000000"', b'"much"'),
        FRAME.replace(b"BTCUSDT", b"BTC\xffSDT"),
        FRAME[:-20],
    ],
)
def test_what_is_neither_is_set_aside_whole(frame: bytes) -> None:
    batch = read_frames([FRAME, frame])
    assert len(batch.ticks) == 1
    assert batch.unknown == [frame]


def test_a_kline_event_is_the_exchanges_own_candle() -> None:
    batch = read_frames([FRAME, KLINE, FRAME])
    assert len(batch.ticks) == 2
    assert batch.unknown == []
    (kline,) = batch.klines
    assert kline == KlineEvent(
        symbol="BTCUSDT",
        event_ms=1723161302001,
        interval="1m",
        open_ms=1723161240000,
        first_trade_id=100,
        last_trade_id=105,
        open=Decimal("61837.63000000"),
        high=Decimal("61840.00000000"),
        low=Decimal("61830.00000000"),
        close=Decimal("61831.10000000"),
        volume=Decimal("0.12000000"),
        quote_volume=Decimal("7420.51560000"),
        trades=6,
        taker_volume=Decimal("0.02000000"),
        taker_quote_volume=Decimal("1236.75260000"),
        closed=True,
    )
    assert str(kline.high) == "61840.00000000"


@pytest.mark.parametrize(
    "frame",
    [
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
        b'{"e":"serverShutdown","E":1770123456789}',
    ],
)
def test_a_server_that_goes_away_says_so_in_two_shapes(frame: bytes) -> None:
    assert read_frames([frame]).shutdown
    assert not read_frames([FRAME]).shutdown


def test_recorded_frames_are_read_as_json_reads_them(more_recorded: Path) -> None:
    path = more_recorded / "raw_ws" / "cryptofeed_BINANCE.ws.1.0.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    frames = [line.split(": ", 1)[1].encode() for line in lines if ": {" in line]
    trades = [f for f in map(json.loads, frames) if f.get("data", {}).get("e") == "aggTrade"]
    ticks = read_frames(frames).ticks
    assert trades
    assert [(t.symbol, t.tick_id, str(t.price)) for t in ticks] == [
        (f["data"]["s"], f["data"]["a"], f["data"]["p"]) for f in trades
    ]
