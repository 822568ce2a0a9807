from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candles.intervals import INTERVALS_MS, MINUTE_MS, floor_ms
from candles.ohlcv import CandleBuilder, flat
from candles.rollup import SymbolCandles
from market.ticks import Tick
from tests import recorded as data
from tests.builders import tick
from tests.recorded import by_the_book

FULL_MINUTES = range(1723161300000, 1723161900000, MINUTE_MS)  # 23:55 to 00:04 UTC


@st.composite
def runs_of_ticks(draw: st.DrawFn) -> list[Tick]:
    """Consecutive ticks with pauses from none to several minutes."""
    pauses = st.sampled_from([0, 0, 0, 1, 7, 999, 1000, 30_000, 59_999, 60_000, 200_000])
    gaps = draw(st.lists(pauses, min_size=1, max_size=40))
    time_ms = draw(st.integers(0, 3_600_000))
    ticks: list[Tick] = []
    for number, gap in enumerate(gaps):
        time_ms += gap
        price = Decimal(draw(st.integers(1, 10**13))) / 10**8
        quantity = Decimal(draw(st.integers(1, 10**13))) / 10**8
        ticks.append(
            tick(str(price), tick_id=number + 1, quantity=quantity, time_ms=time_ms,
                 buyer_is_maker=draw(st.booleans()))
        )  # fmt: skip
    return ticks


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_recorded_trades_fold_to_the_exchanges_own_klines(recorded: Path, symbol: str) -> None:
    candles = SymbolCandles(["1m"])
    closed = {candle.open_ms: candle for candle in candles.fold(data.ticks(recorded, symbol))}
    klines = data.klines(recorded, symbol, FULL_MINUTES)
    assert len(klines) == len(FULL_MINUTES)
    for open_ms, kline in klines.items():
        for field in ("open", "high", "low", "close", "volume"):
            assert getattr(closed[open_ms], field) == Decimal(kline[field])


def test_a_day_with_empty_minutes_folds_like_the_slow_way(recorded: Path) -> None:
    ticks = data.ticks(recorded, "NEXOUSDT")
    until_ms = floor_ms(ticks[-1].time_ms, MINUTE_MS)
    closed = SymbolCandles(["1m"]).fold(ticks)
    assert closed == by_the_book(ticks, MINUTE_MS, until_ms)
    empty = [candle for candle in closed if candle.trades == 0]
    assert len(empty) == 167
    assert all(candle == flat(candle.open_ms, MINUTE_MS, candle.close) for candle in empty)


@given(runs_of_ticks(), st.data())
def test_a_restart_anywhere_and_any_batches_change_nothing(
    ticks: list[Tick], random: st.DataObject
) -> None:
    cut = random.draw(st.integers(0, len(ticks)))
    whole = SymbolCandles(["1m", "5m"])
    expected = whole.fold(ticks)
    first = SymbolCandles(["1m", "5m"])
    closed = first.fold(ticks[:cut])
    second = SymbolCandles(["1m", "5m"], first.builder.forming, first.parts)
    for one in ticks[cut:]:
        closed += second.fold([one])
    assert closed == expected
    assert second.forming() == whole.forming()


@pytest.mark.thorough
@given(runs_of_ticks())
def test_every_interval_folds_like_the_slow_way(ticks: list[Tick]) -> None:
    until_ms = floor_ms(ticks[-1].time_ms, INTERVALS_MS["1h"]) + INTERVALS_MS["1h"]
    candles = SymbolCandles(["1s", "1m", "3m", "5m", "1h"])
    closed = candles.fold(ticks) + candles.advance(until_ms)
    for name in ("1m", "3m", "5m", "1h"):
        interval_ms = INTERVALS_MS[name]
        own = [candle for candle in closed if candle.interval_ms == interval_ms]
        assert own == by_the_book(ticks, interval_ms, until_ms)


@given(runs_of_ticks())
def test_volume_is_conserved_to_the_last_digit(ticks: list[Tick]) -> None:
    candles = SymbolCandles(["1m"])
    closed = candles.fold(ticks)
    forming = candles.forming()["1m"]
    assert sum(c.volume for c in [*closed, forming]) == sum(t.quantity for t in ticks)
    assert sum(c.quote_volume for c in [*closed, forming]) == sum(
        t.price * t.quantity for t in ticks
    )


def test_a_longer_candle_opens_with_its_first_trade_not_with_an_empty_minute() -> None:
    before = tick("10", tick_id=1, time_ms=4 * MINUTE_MS)
    after = tick("12", tick_id=2, time_ms=7 * MINUTE_MS)
    candles = SymbolCandles(["1m", "5m"])
    candles.fold([before, after])
    assert candles.forming()["5m"].open == Decimal(12)
    assert candles.forming()["5m"].low == Decimal(12)


def test_the_clock_closes_silence_flat_at_the_last_price() -> None:
    builder = CandleBuilder(MINUTE_MS)
    builder.fold([tick("10", tick_id=1, time_ms=30_000)])
    traded, silent = builder.advance(2 * MINUTE_MS)
    assert traded.trades == 1
    assert silent == flat(MINUTE_MS, MINUTE_MS, Decimal(10))
    assert builder.advance(3 * MINUTE_MS - 1) == []


def test_a_tick_of_a_closed_candle_is_set_aside() -> None:
    builder = CandleBuilder(MINUTE_MS)
    builder.fold([tick(tick_id=1, time_ms=0)])
    builder.advance(MINUTE_MS)
    late, punctual = tick(tick_id=2, time_ms=59_999), tick(tick_id=3, time_ms=MINUTE_MS)
    assert builder.fold([late, punctual]) == []
    assert builder.late_at == 0
    assert builder.fold([late, punctual], start=1) == []
    assert builder.forming is not None
    assert builder.forming.first_tick_id == 3


def test_a_late_tick_joins_the_longer_candles_that_are_still_open() -> None:
    candles = SymbolCandles(["1m", "5m"])
    candles.fold([tick("10", tick_id=1, time_ms=0), tick("11", tick_id=2, time_ms=MINUTE_MS)])
    late = tick("14", tick_id=3, time_ms=30_000)
    assert candles.fold([late, tick("12", tick_id=4, time_ms=MINUTE_MS)]) == []
    assert candles.late == [late]
    five = candles.forming()["5m"]
    assert (five.high, five.close, five.trades) == (Decimal(14), Decimal(12), 4)


def test_the_last_trade_by_id_closes_a_longer_candle_though_it_came_late() -> None:
    candles = SymbolCandles(["1m", "5m"])
    candles.fold([tick("10", tick_id=1, time_ms=0), tick("11", tick_id=2, time_ms=MINUTE_MS)])
    candles.fold([tick("14", tick_id=3, time_ms=30_000)])
    assert candles.forming()["5m"].close == Decimal(14)


def test_an_empty_candle_is_flat_at_the_close_that_a_late_tick_moved() -> None:
    candles = SymbolCandles(["1m"])
    candles.fold([tick("10", tick_id=1, time_ms=0)])
    candles.advance(MINUTE_MS)
    candles.fold([tick("14", tick_id=2, time_ms=59_000)])
    assert candles.advance(2 * MINUTE_MS) == [flat(MINUTE_MS, MINUTE_MS, Decimal(14))]
