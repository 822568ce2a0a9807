from collections.abc import Iterator, Sequence
from decimal import Decimal

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from candles.events import ClosedCandle, candle_closed
from candles.history.backfill import CatchUpProgress, catch_up_history
from candles.intervals import MINUTE_MS
from candles.live.state import UnrecordedCandle
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV, flat
from candles.services import record_closed, record_history, recording, stored_until
from foundation.times import to_ms, to_time
from market.models import Symbol
from tests.candles.klines import FakeKlines, kline, minute_ms

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def symbols() -> None:
    for name in ("BTCUSDT", "ETHUSDT"):
        Symbol.objects.create(name=name, base_asset=name[:3], quote_asset="USDT")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Candle]:
    candles: list[Candle] = []

    def remember(facts: Sequence[ClosedCandle]) -> None:
        candles.extend(fact.candle for fact in facts)

    monkeypatch.setattr(candle_closed, "reactions", [remember])
    return candles


def closed(minute: int, symbol: str = "BTCUSDT", price: str = "10") -> UnrecordedCandle:
    return UnrecordedCandle(symbol, "1m", flat(minute * MINUTE_MS, MINUTE_MS, Decimal(price)))


def test_a_candle_is_kept_to_the_last_digit() -> None:
    huge = Decimal("123456789012345678901.123456789012345678")
    candle = OHLCV(MINUTE_MS, MINUTE_MS, huge, huge, huge, huge, huge, huge, 7, huge, huge, 1, 9)
    record_closed([UnrecordedCandle("BTCUSDT", "1m", candle)])
    row = Candle.objects.get()
    assert (row.open, row.quote_volume, row.taker_quote_volume) == (huge, huge, huge)
    assert (row.trades, row.first_tick_id, row.last_tick_id) == (7, 1, 9)
    assert to_ms(row.open_time) == MINUTE_MS
    assert row.verdict == Verdict.UNVERIFIED


def test_writing_twice_is_writing_once_and_tells_once(
    told: list[Candle], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    for batch in ([closed(1)], [closed(1, price="11"), closed(2), closed(2, "ETHUSDT")]):
        with django_capture_on_commit_callbacks(execute=True):
            record_closed(batch)
    assert Candle.objects.count() == 3
    assert Candle.objects.get(symbol__name="BTCUSDT", open_time=to_time(MINUTE_MS)).close == 10
    assert [str(candle.symbol) for candle in told] == ["BTCUSDT", "BTCUSDT", "ETHUSDT"]


def test_history_is_recorded_silently_and_as_the_exchanges_own(
    told: list[Candle], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            record_history(
                "BTCUSDT", "1m", [closed(n).candle for n in range(1200)], to_time(1200 * MINUTE_MS)
            )
    exact = Candle.objects.filter(verdict=Verdict.EXACT)
    assert exact.count() == 1140  # those of the last hour are asked for once more
    assert told == []


def test_a_long_past_is_taken_and_committed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_PAGE_ROWS", 100)
    seen: list[int] = []

    def candles() -> Iterator[OHLCV]:
        for minute in range(250):
            if minute % 100 == 0:
                seen.append(Candle.objects.count())
            yield closed(minute).candle

    record_history("BTCUSDT", "1m", candles(), to_time(250 * MINUTE_MS))
    assert seen == [0, 100, 200]
    assert Candle.objects.count() == 250


def test_a_symbol_away_for_long_catches_up_page_by_page_and_goes_on_from_there() -> None:
    rest = FakeKlines(kline(minute) for minute in range(2_500))
    told: list[CatchUpProgress] = []
    record_closed([UnrecordedCandle("BTCUSDT", "1m", kline(0))])
    now_ms = minute_ms(2_500) + 1_999  # so the last one is not settled yet

    def catch_up() -> dict[str, int]:
        return catch_up_history(rest, "BTCUSDT", ["1m"], now_ms, told.append)

    assert catch_up() == {"1m": minute_ms(2_499)}
    bounds = [
        CatchUpProgress("1m", minute_ms(1), at, minute_ms(2_499))
        for at in map(minute_ms, (1001, 2001, 2499))
    ]
    assert told == bounds
    asked = len(rest.asked)
    assert catch_up() == {"1m": minute_ms(2_499)}
    assert len(rest.asked) == asked


def test_stored_candles_say_where_they_end() -> None:
    record_closed([closed(1), closed(2)])
    assert stored_until("BTCUSDT", ["1m", "5m"]) == {"1m": 3 * MINUTE_MS}


@pytest.mark.parametrize("time_ms", [0, 1, 1723161299999, 4102444799999])
def test_times_keep_their_millisecond(time_ms: int) -> None:
    assert to_ms(to_time(time_ms)) == time_ms
