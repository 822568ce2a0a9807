"""Recorded trades played again."""

import gzip
import zipfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from sandbox.clock import Clock
from sandbox.config import SandboxConfig
from sandbox.data.recordings import BadRecording, read_file, read_recordings
from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Market

NOW_MS = 1_800_000_012_345
NEXT_MINUTE_MS = 1_800_000_060_000
MIDNIGHT_MS = 1_723_161_600_000
FIRST_MINUTE_MS = 1_723_161_240_000  # 2024-08-08 23:54, of the recorded trades
HEADER = "trade_id,price,qty,trade_time_ms,is_buyer_maker,event_time_ms,recv_time_ns\n"
ROWS = """7,100.5,2,1700000015342,true,0,0
8,100.5,1,1700000015342,true,0,0
9,100.5,1,1700000015399,true,0,0
10,101,3,1700000061000,false,0,0
"""


def played(speed: int, *files: Path) -> dict[str, Market]:
    """The markets of a replay that began at NOW_MS, an hour later."""
    now_ms = [NOW_MS]
    config = SandboxConfig([], replay=files, speed=Fraction(speed))
    exchange = Exchange(config, Clock(lambda: now_ms[0]))
    for name in exchange.markets:
        exchange.market(name)
    assert all(market.kline_builder.forming("1s") is None for market in exchange.markets.values())
    for market in exchange.markets.values():
        market.advance(NOW_MS + 3_600_000)
    return exchange.markets


@pytest.fixture
def ticks(tmp_path: Path) -> Path:
    path = tmp_path / "TESTUSDT-trades.csv"
    path.write_text(HEADER + ROWS)
    return path


def test_the_first_trades_minute_falls_on_the_next_whole_minute(ticks: Path) -> None:
    tape = played(1, ticks)["TESTUSDT"].tape
    times = [trade.time_ms - NEXT_MINUTE_MS for trade in tape.trades]
    recorded_minute_ms = 1_700_000_015_342 // 60_000 * 60_000
    assert times[0] == 1_700_000_015_342 - recorded_minute_ms
    assert [time - times[0] for time in times] == [0, 0, 57, 45_658]
    assert [trade.trade_id for trade in tape.trades] == [7, 8, 9, 10]


def test_trades_of_one_recorded_time_stay_one_aggregate_at_any_speed(ticks: Path) -> None:
    for speed in (1, 60, 100_000):
        aggs = played(speed, ticks)["TESTUSDT"].tape.aggs
        assert [(agg.first_id, agg.last_id) for agg in aggs] == [(7, 8), (9, 9), (10, 10)]
        assert [agg.agg_id for agg in aggs] == [7, 8, 9]
        assert aggs[0].quantity == 3


def test_after_the_last_trade_the_market_is_quiet_not_gone(ticks: Path) -> None:
    market = played(60, ticks)["TESTUSDT"]
    last = market.kline_builder.closed["1m"][:][-1]
    assert (last.count, last.close) == (0, Decimal(101))
    assert last.end_ms == (NOW_MS + 3_600_000) // 60_000 * 60_000
    assert market.source.next_trade_ms > NOW_MS * 1000


def test_at_speed_60_a_recorded_minute_is_one_second(recorded: Path) -> None:
    files = sorted((recorded / "ticks").glob("[BE]*.csv.gz"))
    fast, slow = played(60, *files), played(1, *files)
    assert set(fast) == {"BTCUSDT", "ETHUSDT"}
    for symbol, market in fast.items():
        seconds, minutes = (
            market.kline_builder.closed["1s"][:12],
            slow[symbol].kline_builder.closed["1m"][:12],
        )
        assert seconds[0].open_ms == minutes[0].open_ms == NEXT_MINUTE_MS
        for second, minute in zip(seconds, minutes, strict=True):
            assert second.count > 0
            for field in ("open", "high", "low", "close", "volume", "quote", "count"):
                assert getattr(second, field) == getattr(minute, field)


def test_ids_prices_and_quantities_stay_as_recorded(recorded: Path) -> None:
    (file,) = (recorded / "ticks").glob("ETHUSDT*.csv.gz")
    market = played(60, file)["ETHUSDT"]
    then = [trade for one in read_file(file) for trade in one.trades]
    for trade, recorded_trade in zip(market.tape.trades, then, strict=True):
        time_ms = NEXT_MINUTE_MS + (recorded_trade.time_ms - FIRST_MINUTE_MS) // 60
        assert trade == recorded_trade._replace(time_ms=time_ms)


def test_public_archives_are_read_in_ms_and_microseconds(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "AUSDT-trades-1.csv", tmp_path / "BUSDT-trades-1.csv.gz"
    plain.write_text("7,100.5,2,201,1700000015342,True,True\n")
    zipped.write_bytes(gzip.compress(b"7,100.5,2,201,1700000015342999,True,True\n"))
    first, second = (read_file(path)[0] for path in (plain, zipped))
    assert first == second
    assert (first.agg.time_ms, first.agg.buyer_maker) == (1_700_000_015_342, True)


def test_an_archive_of_aggregate_trades_keeps_its_ids_counts_and_sums(tmp_path: Path) -> None:
    path = tmp_path / "AUSDT-aggTrades-1.csv"
    path.write_text("5,100.5,1.00000000,20,22,1700000015342,False,True\n")
    ((agg, trades),) = read_file(path)
    assert (agg.agg_id, agg.first_id, agg.last_id) == (5, 20, 22)
    assert agg.quantity == sum(trade.quantity for trade in trades) == 1
    assert [trade.trade_id for trade in trades] == [20, 21, 22]


def test_zipped_archives_are_read(tmp_path: Path) -> None:
    path = tmp_path / "AUSDT-trades-2024-01.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AUSDT-trades-2024-01.csv", "7,100.5,2,201,1700000015342,True,True\n")
    ((agg, _),) = read_file(path)
    assert agg.time_ms == 1_700_000_015_342
    broken = tmp_path / "BUSDT-trades-2024-01.zip"
    broken.write_bytes(path.read_bytes()[:60])
    with pytest.raises(BadRecording, match="cannot be read"):
        read_file(broken)


AGG_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
AGG_ROWS = """5,100.5,1.00000000,20,22,1700000015342,False
6,100.6,2,23,23,1700000015140,True
"""


def test_aggregate_trades_with_a_header_and_times_that_step_back_are_read(tmp_path: Path) -> None:
    """As the exchange prints them: in order of id, not always of time."""
    path = tmp_path / "AUSDT-aggTrades-1.csv"
    path.write_text(f"{AGG_HEADER}\n{AGG_ROWS}")
    (recording,) = read_recordings([path])
    assert [group.agg.agg_id for group in recording.groups] == [5, 6]
    assert recording.first_ms == 1_700_000_015_140
    tape = played(1, path)["AUSDT"].tape
    first, second = tape.aggs
    assert first.time_ms - second.time_ms == 202
    assert (first.last_id, second.first_id) == (22, 23)


def test_trades_whose_time_steps_back_are_played_in_order_of_id(tmp_path: Path) -> None:
    path = tmp_path / "AUSDT-trades.csv"
    path.write_text(HEADER + ROWS.replace("1700000015399", "1700000015299"))
    market = played(1, path)["AUSDT"]
    assert [trade.trade_id for trade in market.tape.trades] == [7, 8, 9, 10]
    seconds = market.klines("1s", None, None, 10_000)
    assert sum(kline.count for kline in seconds) == 4


def test_files_of_one_symbol_follow_one_another(tmp_path: Path) -> None:
    later, earlier = tmp_path / "AUSDT-2.csv", tmp_path / "AUSDT-1.csv"
    later.write_text("9,1,1,1,1700000030000,True,True\n")
    earlier.write_text("8,1,1,1,1700000020000,True,True\n")
    (recording,) = read_recordings([later, earlier])
    assert [one.agg.first_id for one in recording.groups] == [8, 9]
    assert [one.agg.agg_id for one in recording.groups] == [8, 9]
    with pytest.raises(BadRecording, match="overlap"):
        read_recordings([later, later])


BAD_FILES = [
    (HEADER + ROWS.replace("101", "many"), "5: 'many' is not a number"),
    (HEADER + ROWS.replace("101", "0"), "5: '0' is not above zero"),
    (HEADER + ROWS.replace("\n9,", "\n8,"), "4: id 8 does not rise"),
    (
        HEADER + ROWS.replace("1700000061000", "1600000061000"),
        "5: time 1600000061000 lies 99999954 s",
    ),
    (HEADER + ROWS.replace("false", "maybe"), "5: 'maybe' is neither true nor false"),
    (HEADER + ROWS + "11,1\n", "6: 2 columns, too few"),
    ("a,b\n1,2\n", "1: no column trade_id or id or first_trade_id or f in 'a,b'"),
    ("1,2,3\n", "1: 3 columns; trades have 7, aggregate trades 8"),
    (HEADER, " holds no trades"),
    ("", " holds no trades"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_a_bad_file_is_refused_with_its_line_and_value(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "AUSDT-1.csv"
    path.write_text(text)
    with pytest.raises(BadRecording) as refusal:
        read_recordings([path])
    assert str(refusal.value).startswith(f"{path}:{message}")
