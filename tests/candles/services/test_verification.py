from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from pytest_django import DjangoCaptureOnCommitCallbacks

from candles.comparison import FIELDS, differences
from candles.events import ClosedCandle, candle_closed, candle_revised, candle_verified
from candles.models import Candle, CandleRevision, Verdict
from candles.ohlcv import OHLCV
from candles.services import (
    Comparison,
    compare,
    insert_missing,
    missing_open_times,
    verify_recent,
)
from candles.services.kline_requests import ASK_AGAIN_MS, MAX_REQUESTS
from market.failures import ExchangeUnreachable
from market.models import Symbol
from tests.builders import NOON, candle, symbol
from tests.candles.klines import FakeKlines, kline, minute_ms
from tests.rows import at

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Announced facts: the event, the candle's minute and its verdict."""
    announced: list[str] = []
    for event in (candle_closed, candle_revised, candle_verified):

        def note(facts: Sequence[Candle | ClosedCandle], name: str = event.name) -> None:
            candles = [one.candle if isinstance(one, ClosedCandle) else one for one in facts]
            announced.extend(f"{name} {one.open_time:%M} {one.verdict}" for one in candles)

        monkeypatch.setattr(event, "reactions", [note])
    return announced


def compared(of: Symbol, *klines: OHLCV, seconds: int = 0, **options: Any) -> Comparison:
    return compare(of.pk, "1m", klines, LATER + timedelta(seconds=seconds), **options)


def stored(minute: int = 0) -> Candle:
    return Candle.objects.get(open_time=at(minute))


@pytest.mark.parametrize("name", FIELDS)
def test_a_candle_differs_in_whatever_field_its_kline_differs(name: str) -> None:
    ours = kline(0)
    theirs = replace(ours, **{name: 7})
    values = {field: getattr(ours, field) for field in FIELDS}
    assert set(differences(values, theirs)) == {name}
    assert not differences(values | {name: None}, theirs)


def test_a_candle_that_equals_its_kline_is_exact_and_told_once(
    btc: Symbol,
    announced: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    candle(btc, "100.0").save()
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            held = compared(btc, kline(0, volume=Decimal("1.000")))
        assert [one.verdict for one in held.exact] == [Verdict.EXACT]
    assert (stored().verdict, stored().revision) == (Verdict.EXACT, 1)
    assert announced == ["candle_verified 00 exact"]


def test_a_verdict_on_the_distant_past_is_given_and_not_told(
    btc: Symbol,
    announced: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    candle(btc).save()
    with django_capture_on_commit_callbacks(execute=True):
        compared(btc, kline(0), seconds=24 * 3600)
    assert stored().verdict == Verdict.EXACT
    assert announced == []


def test_a_difference_is_repaired_once_it_has_lasted(
    btc: Symbol,
    announced: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    candle(btc).save()
    theirs = kline(0, volume=Decimal("1.5"))
    assert compared(btc, theirs).differing == {minute_ms(0): {"volume": ["1", "1.5"]}}
    assert stored().differed == {"volume": ["1", "1.5"]}
    assert compared(btc, theirs, seconds=9).repaired == []
    with django_capture_on_commit_callbacks(execute=True):
        assert len(compared(btc, theirs, seconds=10).repaired) == 1
    row = stored()
    assert (row.verdict, row.revision, row.volume) == (Verdict.UNVERIFIED, 2, Decimal("1.5"))
    assert (row.differed, row.differed_since) == ({"volume": ["1", "1.5"]}, None)
    assert announced == ["candle_revised 00 unverified"]
    before = CandleRevision.objects.get()
    assert (before.revision, before.cause, before.values["volume"]) == (1, "repair", "1")
    compared(btc, theirs, seconds=15)
    assert (stored().verdict, stored().differed) == (Verdict.REPAIRED, {"volume": ["1", "1.5"]})


def test_a_kline_that_lied_for_long_is_repaired_once_more(btc: Symbol) -> None:
    candle(btc).save()
    for second in (0, 10):
        compared(btc, kline(0, volume=Decimal("1.5")), seconds=second)
    for second in (15, 25, 30):
        compared(btc, kline(0), seconds=second)
    assert (stored().verdict, stored().volume) == (Verdict.REPAIRED, Decimal(1))
    assert stored().revision == 3


def test_a_repaired_candle_stays_repaired(btc: Symbol) -> None:
    candle(btc).save()
    theirs = kline(0, volume=Decimal("1.5"))
    compared(btc, theirs, repair_after=timedelta(0))
    compared(btc, theirs, seconds=60)
    assert (stored().verdict, stored().revision) == (Verdict.REPAIRED, 2)


def test_a_kline_that_changes_its_mind_starts_the_wait_anew(btc: Symbol) -> None:
    candle(btc).save()
    compared(btc, kline(0, trades=2))
    compared(btc, kline(0, trades=3), seconds=9)
    assert not compared(btc, kline(0, trades=3), seconds=18).repaired
    compared(btc, kline(0), seconds=20)
    assert (stored().verdict, stored().differed, stored().revision) == (Verdict.EXACT, {}, 1)


def test_a_kline_not_relied_upon_proves_but_changes_nothing(btc: Symbol) -> None:
    candle(btc, verdict=Verdict.EXACT).save()
    candle(btc, minute=1).save()
    held = compared(btc, kline(0, trades=2), kline(1), repair_after=None)
    assert list(held.differing) == [minute_ms(0)]
    assert (stored(0).verdict, stored(0).differed) == (Verdict.EXACT, {})
    assert stored(1).verdict == Verdict.EXACT


def test_what_an_archive_lacked_is_taken_over(btc: Symbol) -> None:
    lacking = ("quote_volume", "trades", "taker_volume", "taker_quote_volume")
    fields: dict[str, Any] = dict.fromkeys(lacking)
    candle(btc, **fields).save()
    compared(btc, kline(0, trades=5))
    assert stored().verdict == Verdict.EXACT
    assert (stored().trades, stored().quote_volume) == (5, Decimal(100))


def test_a_kline_without_a_candle_is_missing_and_not_made(btc: Symbol) -> None:
    assert compared(btc, kline(3)).missing == [minute_ms(3)]
    assert not Candle.objects.exists()


def test_missing_candles_are_found_also_among_such_off_the_boundary(btc: Symbol) -> None:
    candle(btc, minute=1).save()
    candle(btc, open_time=at(3) + timedelta(seconds=20)).save()
    candle(btc, minute=4, interval="5m").save()
    found = missing_open_times(btc.pk, "1m", minute_ms(0), minute_ms(5))
    assert found == [minute_ms(0), minute_ms(2), minute_ms(4)]


# --- The sweeps -----------------------------------------------------------------------------------


def test_the_sweep_gives_verdicts_to_what_closed_lately(btc: Symbol, redis: Any) -> None:
    eth = symbol("ETHUSDT")
    for of in (btc, eth):
        Candle.objects.bulk_create(candle(of, minute=minute) for minute in range(3))
    rest = FakeKlines(map(kline, range(3)))
    verify_recent(rest, redis, at(3) + timedelta(seconds=3))  # the last one closed just now
    assert [name for name, *_ in rest.asked] == ["BTCUSDT", "ETHUSDT"]
    verified = Candle.objects.filter(verdict=Verdict.EXACT)
    assert {one.open_time for one in verified} == {at(0), at(1)}
    verify_recent(rest, redis, at(4))
    assert not Candle.objects.filter(verdict=Verdict.UNVERIFIED).exists()
    verify_recent(rest, redis, at(4))
    assert len(rest.asked) == 4


def test_the_sweep_leaves_alone_what_is_older_than_a_day(btc: Symbol, redis: Any) -> None:
    candle(btc).save()
    candle(btc, interval="1d").save()
    rest = FakeKlines([kline(0)])
    verify_recent(rest, redis, NOON + timedelta(days=1, minutes=2))
    assert [interval for _, interval, *_ in rest.asked] == ["1d"]


def test_one_request_asks_for_a_thousand_candles_and_one_sweep_for_so_many(
    btc: Symbol, redis: Any
) -> None:
    seconds = [0, 999, 1000, *range(2_000, 60_000, 1_000)]
    Candle.objects.bulk_create(
        candle(btc, interval="1s", open_time=NOON + timedelta(seconds=n)) for n in seconds
    )
    rest = FakeKlines()
    verify_recent(rest, redis, NOON + timedelta(hours=20))
    asked = [((end - start) // 1000) for _, _, start, end in rest.asked]
    assert asked[:2] == [1000, 1]
    assert len(asked) == MAX_REQUESTS


def test_what_the_exchange_does_not_have_is_not_asked_for_at_once_again(
    btc: Symbol, redis: Any
) -> None:
    candle(btc).save()
    candle(symbol("GONEUSDT")).save()
    rest = FakeKlines()
    rest.unknown = {"GONEUSDT"}
    verify_recent(rest, redis, at(1.2))  # so young that its kline may still come
    for minute in (3, 4, 5):
        verify_recent(rest, redis, at(minute))
    assert [name for name, *_ in rest.asked] == ["BTCUSDT", "GONEUSDT"] * 2
    rest.has(kline(0))
    verify_recent(rest, redis, at(3) + timedelta(milliseconds=ASK_AGAIN_MS))
    assert stored_of(btc).verdict == Verdict.EXACT


def stored_of(of: Symbol) -> Candle:
    return Candle.objects.get(symbol=of)


def test_missing_candles_between_others_are_inserted_silently(
    btc: Symbol,
    redis: Any,
    announced: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    symbol("ETHUSDT")  # nothing stored, so nothing is missing
    for minute in (1, 2, 5):
        candle(btc, minute=minute).save()
    rest = FakeKlines(kline(minute) for minute in range(9))
    with django_capture_on_commit_callbacks(execute=True):
        insert_missing(rest, redis, ["1m", "5m"], at(9))
    assert list(Candle.objects.order_by("open_time").values_list("open_time", flat=True)) == [
        at(minute) for minute in range(1, 6)
    ]
    assert {stored(3).verdict, stored(4).verdict} == {Verdict.UNVERIFIED}  # asked for again
    assert announced == []
    insert_missing(rest, redis, ["1m", "5m"], at(9))
    assert len(rest.asked) == 1


def test_a_hole_that_the_exchange_has_too_is_left_in_peace(btc: Symbol, redis: Any) -> None:
    for minute in (0, 3):
        candle(btc, minute=minute).save()
    rest = FakeKlines([kline(1)])
    for _ in range(3):
        insert_missing(rest, redis, ["1m"], at(9))
    assert len(rest.asked) == 1
    assert Candle.objects.count() == 3


def test_an_exchange_that_is_away_leaves_everything_for_the_next_sweep(
    btc: Symbol, redis: Any
) -> None:
    candle(btc).save()
    rest = FakeKlines()
    rest.away = True
    with pytest.raises(ExchangeUnreachable):
        verify_recent(rest, redis, at(5))
    rest.away = False
    rest.has(kline(0))
    verify_recent(rest, redis, at(5))
    assert stored().verdict == Verdict.EXACT
