"""Klines folded from trades. Source: protocol C."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import dropwhile, islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import DAY_MS, MINUTE_MS
from sandbox.data.kline_builder import KlineBuilder
from sandbox.data.klines import INTERVALS, Kline, interval_bounds
from sandbox.data.payloads import rest_kline, stream_kline
from sandbox.data.recordings import read_file
from sandbox.data.tape import Tape, Trade, group_trades, split_runs

MIDNIGHT_MS = 1_723_161_600_000  # 2024-08-09 00:00 UTC


def rows(path: Path, from_ms: int = 0) -> Iterator[dict[str, str]]:
    """A file of klines as dictionaries, from an open time on."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        names = next(lines).split(",")
        later = dropwhile(lambda line: int(line[: line.index(",")]) < from_ms, lines)
        yield from csv.DictReader(later, [name.strip() for name in names])


def folded(path: Path) -> KlineBuilder:
    chart = KlineBuilder()
    for one in read_file(path):
        for trade in one.trades:
            chart.add_trade(trade)
    return chart


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_recorded_trades_fold_to_the_exchanges_own_klines(recorded: Path, symbol: str) -> None:
    (ticks,) = (recorded / "ticks").glob(f"{symbol}-*.csv.gz")
    ours = {kline.open_ms: kline for kline in folded(ticks).closed["1m"][:]}
    first_ms = MIDNIGHT_MS - 5 * MINUTE_MS
    (klines,) = (recorded / "klines").glob(f"{symbol}-1m-*.csv.gz")
    compared = list(islice(rows(klines, first_ms), 10))
    assert len(compared) == 10
    for row in compared:
        kline = ours[int(row["open_time_ms"])]
        found = (kline.open, kline.high, kline.low, kline.close, kline.volume)
        wanted = (row["open"], row["high"], row["low"], row["close"], row["volume"])
        assert found == tuple(map(Decimal, wanted))


def test_quote_volume_count_and_taker_volumes_are_the_exchanges_too(
    more_recorded: Path,
) -> None:
    folder = more_recorded / "usdm_crosscheck"
    ours = {kline.open_ms: kline for kline in folded(next(folder.glob("*.gz"))).closed["1m"][:]}
    full_minutes = list(rows(next(folder.glob("*.csv"))))[1:5]
    for row in full_minutes:
        kline = ours[int(row["open_time"])]
        assert (kline.quote, kline.count) == (Decimal(row["quote_volume"]), int(row["count"]))
        taker = (kline.taker_volume, kline.taker_quote)
        assert taker == (Decimal(row["taker_buy_volume"]), Decimal(row["taker_buy_quote_volume"]))


@st.composite
def trades(draw: st.DrawFn) -> list[Trade]:
    """Trades of one symbol in order, with shared milliseconds, long silences and few prices."""
    time_ms, found = MIDNIGHT_MS, []
    for place in range(draw(st.integers(1, 40))):
        time_ms += draw(st.sampled_from((0, 0, 0, 1, 400, 999, 61_000)))
        price = Decimal(draw(st.integers(98, 102)))
        quantity = Decimal(draw(st.integers(1, 9))).scaleb(-3)
        found.append(Trade(100 + place, time_ms, price, quantity, draw(st.booleans())))
    return found


@given(trades())
def test_an_aggregate_trade_is_a_longest_run_of_one_time_price_and_side(run: list[Trade]) -> None:
    prints = [group_trades(place, group) for place, group in enumerate(split_runs(run))]
    assert [trade for one in prints for trade in one.trades] == run
    keys = [(one.agg.time_ms, one.agg.price, one.agg.buyer_maker) for one in prints]
    assert all(left != right for left, right in pairwise(keys))
    for agg, inner in prints:
        assert {(t.time_ms, t.price, t.buyer_maker) for t in inner} == {
            (agg.time_ms, agg.price, agg.buyer_maker)
        }
        assert agg.quantity == sum(trade.quantity for trade in inner)
        assert (agg.first_id, agg.last_id) == (inner[0].trade_id, inner[-1].trade_id)


@given(trades())
def test_every_interval_holds_exactly_the_trades_of_its_time(run: list[Trade]) -> None:
    chart = KlineBuilder()
    for trade in run:
        chart.add_trade(trade)
    for interval in INTERVALS:
        forming = chart.forming(interval)
        assert forming is not None
        klines = [*chart.closed[interval][:], forming]
        assert sum(kline.volume for kline in klines) == sum(trade.quantity for trade in run)
        for kline in klines:
            inside = [t for t in run if kline.open_ms <= t.time_ms < kline.end_ms]
            assert kline.count == len(inside)
            if inside:
                assert (kline.open, kline.close) == (inside[0].price, inside[-1].price)
                assert (kline.first_id, kline.last_id) == (inside[0].trade_id, inside[-1].trade_id)


@given(trades(), st.data())
def test_trades_that_come_late_or_dated_back_give_the_klines_of_their_times(
    run: list[Trade], data: st.DataObject
) -> None:
    chart, first_ms, now_ms = KlineBuilder(), run[0].time_ms, 0
    for place, trade in enumerate(run):
        back_ms = data.draw(st.sampled_from((0, 0, 1, 1_500, 70_000)))
        run[place] = trade._replace(time_ms=max(first_ms, trade.time_ms - back_ms))
        now_ms = max(now_ms, trade.time_ms) + data.draw(st.sampled_from((0, 0, 0, 900, 61_000)))
        chart.add_trade(run[place])
        chart.advance(now_ms)
    for interval in INTERVALS:
        forming, close = chart.forming(interval), run[0].price
        assert forming is not None
        for kline in [*chart.closed[interval][:], forming]:
            inside = [t for t in run if kline.open_ms <= t.time_ms < kline.end_ms]
            prices = [t.price for t in inside] or [close]
            assert (kline.open, kline.close) == (prices[0], prices[-1])
            assert (kline.high, kline.low) == (max(prices), min(prices))
            assert kline.volume == sum(t.quantity for t in inside)
            assert kline.quote == sum(t.quote for t in inside)
            assert kline.count == len(inside)
            close = kline.close


@given(trades(), st.integers(0, 200_000))
def test_a_kline_as_of_a_time_is_what_it_was_then(run: list[Trade], later_ms: int) -> None:
    time_ms = run[0].time_ms + later_ms
    now, then, tape = KlineBuilder(), KlineBuilder(), Tape(100)
    for place, trade in enumerate(run):
        now.add_trade(trade)
        tape.record(group_trades(place, [trade]))
        if trade.time_ms <= time_ms:
            then.add_trade(trade)
    then.advance(time_ms)
    now.advance(time_ms)
    for interval in INTERVALS:
        assert now.kline_as_of(interval, time_ms, tape, run[0].price) == then.forming(interval)


def test_an_interval_without_trades_is_flat_in_both_shapes() -> None:
    chart = KlineBuilder()
    chart.add_trade(Trade(5, MIDNIGHT_MS, Decimal(100), Decimal(2), False))
    closed = chart.advance(MIDNIGHT_MS + 2 * MINUTE_MS)
    (empty,) = [k for i, k in closed if i == "1m" and k.open_ms == MIDNIGHT_MS + MINUTE_MS]
    wire = stream_kline("BTCUSDT", "1m", empty, True, 0)["k"]
    assert [wire[field] for field in "ohlc"] == ["100.00000000"] * 4
    assert (wire["n"], wire["f"], wire["L"], wire["x"]) == (0, -1, -1, True)
    assert rest_kline(empty)[5:] == [
        "0.00000000",
        MIDNIGHT_MS + 2 * MINUTE_MS - 1,
        "0.00000000",
        0,
        "0.00000000",
        "0.00000000",
        "0",
    ]


def test_an_interval_closes_once_and_in_order() -> None:
    chart = KlineBuilder()
    chart.add_trade(Trade(1, MIDNIGHT_MS, Decimal(1), Decimal(1), False))
    closed = chart.advance(MIDNIGHT_MS + 10 * MINUTE_MS) + chart.advance(MIDNIGHT_MS + DAY_MS // 24)
    for interval, count in (("1s", 3600), ("1m", 60), ("5m", 12), ("1h", 1)):
        opens = [kline.open_ms for received, kline in closed if received == interval]
        assert opens == sorted(set(opens))
        assert len(opens) == count


@pytest.mark.parametrize(
    ("interval", "opens", "ends"),
    [
        ("1w", "2024-08-05", "2024-08-12"),  # a Monday
        ("1M", "2024-08-01", "2024-09-01"),
        ("1d", "2024-08-09", "2024-08-10"),
    ],
)
def test_long_intervals_open_where_the_calendar_says(interval: str, opens: str, ends: str) -> None:
    bounds = [
        int(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) for day in (opens, ends)
    ]
    assert interval_bounds(interval, MIDNIGHT_MS) == (bounds[0] * 1000, bounds[1] * 1000)


def test_rows_are_bounded_by_open_time_and_end_with_the_open_kline() -> None:
    chart = KlineBuilder()
    chart.add_trade(Trade(1, MIDNIGHT_MS, Decimal(1), Decimal(1), False))
    chart.advance(MIDNIGHT_MS + 5 * MINUTE_MS)

    def minutes(*bounds: int | None, limit: int = 500) -> list[int]:
        start, end = (None if b is None else MIDNIGHT_MS + b * MINUTE_MS for b in bounds)
        found: list[Kline] = chart.select("1m", start, end, limit)
        return [(kline.open_ms - MIDNIGHT_MS) // MINUTE_MS for kline in found]

    assert minutes(None, None) == [0, 1, 2, 3, 4, 5]
    assert minutes(None, None, limit=2) == [4, 5]
    assert minutes(1, None, limit=2) == [1, 2]
    assert minutes(None, 3, limit=2) == [2, 3]
    assert minutes(2, 2) == [2]
    assert minutes(5, None) == [5]
