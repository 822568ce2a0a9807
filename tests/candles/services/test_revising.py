from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from msgspec.structs import replace
from pytest_django import DjangoCaptureOnCommitCallbacks

from candles.events import candle_revised
from candles.intervals import INTERVALS_MS, MINUTE_MS
from candles.live.state import UnrecordedCandle
from candles.models import Candle, CandleRevision, Verdict
from candles.ohlcv import OHLCV, CandleBuilder
from candles.services import add_late_ticks, compare, late_ticks, record_closed
from candles.services.revising import ohlcv_of
from market.models import Symbol
from market.ticks import Tick
from tests.builders import NOON, NOON_MS, candle, symbol, tick
from tests.candles.klines import kline

pytestmark = pytest.mark.django_db


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


def folded(ticks: Sequence[Tick], interval_ms: int = MINUTE_MS) -> OHLCV:
    builder = CandleBuilder(interval_ms)
    builder.fold(ticks)
    assert builder.forming is not None
    return builder.forming


def record(ticks: Sequence[Tick], interval: str = "1m", interval_ms: int = MINUTE_MS) -> None:
    record_closed([UnrecordedCandle("BTCUSDT", interval, folded(ticks, interval_ms))])


def three() -> list[Tick]:
    prices = ("100", "90", "120")
    return [tick(price, tick_id=n, time_ms=NOON_MS + n) for n, price in enumerate(prices, 1)]


def add(of: Symbol, *late: Tick) -> None:
    add_late_ticks(of.pk, ["1m", "5m"], late, NOON)


def test_a_late_tick_makes_a_new_numbered_revision_of_every_interval(
    btc: Symbol,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    revised: list[str] = []

    def hear(candles: Sequence[Candle]) -> None:
        revised.extend(one.interval for one in candles)

    monkeypatch.setattr(candle_revised, "reactions", [hear])
    *early, late = three()
    record(early)
    record(early, "5m", 5 * MINUTE_MS)
    with django_capture_on_commit_callbacks(execute=True):
        add(btc, late)
    for row in Candle.objects.all():
        assert ohlcv_of(row) == replace(folded(three()), interval_ms=INTERVALS_MS[row.interval])
        assert (row.revision, row.verdict) == (2, Verdict.UNVERIFIED)
    for before in CandleRevision.objects.all():
        assert (before.revision, before.cause) == (1, "late_tick")
        assert (before.values["close"], before.values["trades"]) == ("90", "2")
    assert revised == ["1m", "5m"]


def test_adding_late_ticks_twice_is_adding_them_once(btc: Symbol) -> None:
    first, *late = three()
    record([first])
    for _ in range(2):
        add(btc, *late)
    assert ohlcv_of(Candle.objects.get()) == folded(three())
    assert CandleRevision.objects.count() == 1


def test_a_late_tick_of_an_empty_candle_is_its_first(btc: Symbol) -> None:
    candle(btc, "7", volume=0, quote_volume=0, trades=0).save()
    add(btc, tick("9", tick_id=5))
    assert ohlcv_of(Candle.objects.get()) == folded([tick("9", tick_id=5)])


def test_a_late_tick_without_its_candle_changes_nothing(btc: Symbol) -> None:
    add(btc, tick())
    assert not Candle.objects.exists()


def test_the_exchanges_own_numbers_are_not_added_to_but_asked_for_again(btc: Symbol) -> None:
    candle(btc, verdict=Verdict.EXACT).save()
    add(btc, tick("120", tick_id=9))
    row = Candle.objects.get()
    assert (row.close, row.revision) == (Decimal(100), 1)
    assert row.verdict == Verdict.UNVERIFIED


def test_a_repaired_candle_may_have_the_tick_that_comes_too_late_so_its_kline_is_asked_for(
    btc: Symbol,
) -> None:
    *early, late = three()
    record(early)
    theirs = kline(0, "120", trades=3)
    compare(btc.pk, "1m", [theirs], NOON, repair_after=NOON - NOON)
    add(btc, late)
    row = Candle.objects.get()
    assert (row.trades, row.revision, row.verdict) == (3, 2, Verdict.UNVERIFIED)


class LateTicks(TestCase):
    """Each example in a transaction of its own."""

    @given(
        prices=st.lists(st.decimals("0.01", "1000", places=2), min_size=1, max_size=12),
        data=st.data(),
    )
    def test_ticks_that_come_late_give_the_candle_that_they_would_have_given(
        self, prices: list[Decimal], data: Any
    ) -> None:
        btc = symbol("BTCUSDT")
        ticks = [
            tick(str(price), tick_id=n, time_ms=NOON_MS + n, buyer_is_maker=bool(n % 2))
            for n, price in enumerate(prices, 1)
        ]
        cut = data.draw(st.integers(1, len(ticks)))
        again = data.draw(st.integers(cut, len(ticks)))
        record(ticks[:cut])
        for late in (ticks[cut:again], ticks[cut:]):
            add(btc, *late)
        assert ohlcv_of(Candle.objects.get()) == folded(ticks)


def ledger(btc: Symbol) -> list[tuple[int, int, Decimal]]:
    """Minute, revision and close of every candle."""
    rows = Candle.objects.filter(symbol=btc).order_by("open_time")
    return [(int((row.open_time - NOON).seconds / 60), row.revision, row.close) for row in rows]


@pytest.mark.thorough
def test_however_many_ticks_are_late_each_candle_becomes_one_revision(btc: Symbol) -> None:
    for minute in range(300):
        candle(btc, "7", minute=minute, volume=0, quote_volume=0, trades=0).save()
    late = [
        tick(str(n), tick_id=n, time_ms=NOON_MS + n * 1_000) for n in range(1, 900) if n % 240 < 60
    ]
    add(btc, *late)
    assert {revision for _, revision, _ in ledger(btc)} == {2}
    assert CandleRevision.objects.count() == 300
    closes = {minute: close for minute, _, close in ledger(btc)}
    assert [int(closes[minute]) for minute in (0, 3, 4, 299)] == [59, 59, 299, 779]


@pytest.mark.thorough
def test_late_ticks_are_added_in_short_transactions(btc: Symbol) -> None:
    for minute in range(250):
        candle(btc, "7", minute=minute, volume=0, quote_volume=0, trades=0).save()
    with CaptureQueriesContext(connection) as queries:
        add(btc, tick("9", tick_id=5))
    savepoints = [
        number
        for number, query in enumerate(queries.captured_queries)
        if query["sql"].startswith("SAVEPOINT")
    ]
    assert len(savepoints) > 3
    assert max(b - a for a, b in pairwise(savepoints)) <= 2 * late_ticks.MAX_CANDLES + 3


def test_what_was_left_undone_of_late_ticks_is_done_the_next_time(
    btc: Symbol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_ticks, "MAX_CANDLES", 2)
    for minute in range(6):
        candle(btc, "7", minute=minute, volume=0, quote_volume=0, trades=0).save()
    late_ticks.LateSeries(btc.pk, "1m", [tick("9", tick_id=5)], NOON).revise_some()
    assert [close for _, _, close in ledger(btc)] == [9, 9, 7, 7, 7, 7]
    add(btc, tick("9", tick_id=5))
    assert ledger(btc) == [(minute, 2, Decimal(9)) for minute in range(6)]
