from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
import redis as redis_library
from django.db import OperationalError

from candles import services
from candles.fetch import Joined
from candles.intervals import MINUTE_MS
from candles.models import Candle
from candles.ohlcv import flat
from candles.store import Batch, ClosedCandle, StreamState, Writer
from market.models import Symbol
from tests.builders import symbol
from tradingsite import recorder
from tradingsite.recorder import Recorder

pytestmark = pytest.mark.django_db(transaction=True)
STREAM = StreamState(True, 1, 2, 3, 4, {})


@pytest.fixture
def writer(redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch) -> Writer:
    monkeypatch.setattr(recorder, "RETRY_S", 0.0)
    writer = Writer(redis, watched="none")
    assert writer.take()
    return writer


@pytest.fixture
def symbols() -> dict[str, Symbol]:
    return {"BTCUSDT": symbol("BTCUSDT")}


def closed(minute: int) -> ClosedCandle:
    return ClosedCandle("BTCUSDT", "1m", flat(minute * MINUTE_MS, MINUTE_MS, Decimal(10)))


def gone(*_: Any) -> Sequence[Candle]:
    raise OperationalError("gone")


def test_a_candle_reaches_the_database_before_redis_hears_of_it(
    writer: Writer, symbols: dict[str, Symbol]
) -> None:
    keeper = Recorder(writer)
    keeper.add([closed(1)])
    keeper.record(symbols)
    assert Candle.objects.count() == 1
    assert keeper.unsaved == []


def test_while_the_database_is_gone_candles_wait_in_redis_and_survive_their_owner(
    writer: Writer, symbols: dict[str, Symbol], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Recorder(writer)
    with monkeypatch.context() as patch:
        patch.setattr(services, "record_closed", gone)
        first.add([closed(1)])
        first.record(symbols)
        writer.save(Batch(STREAM, closed=first.unsaved))
        first.saved()
    successor = Recorder(writer)
    successor.add([closed(2)])
    successor.record(symbols)
    assert Candle.objects.count() == 2
    assert writer.unrecorded() == []


def test_candles_wait_in_memory_too_and_are_recorded_once(
    writer: Writer, symbols: dict[str, Symbol], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Recorder(writer)
    with monkeypatch.context() as patch:
        patch.setattr(services, "record_closed", gone)
        keeper.add([closed(1)])
        keeper.record(symbols)
    keeper.add([closed(2)])
    keeper.record(symbols)
    keeper.record(symbols)
    assert Candle.objects.count() == 2
    assert keeper.unsaved == []


def test_history_is_recorded_before_what_follows_on_it(
    writer: Writer, symbols: dict[str, Symbol]
) -> None:
    keeper = Recorder(writer)
    past = {"1m": [closed(1).candle, closed(2).candle]}
    keeper.add_history(Joined("BTCUSDT", past, None, {}, [], None))
    keeper.add([closed(3)])
    keeper.record(symbols)
    assert Candle.objects.count() == 3
