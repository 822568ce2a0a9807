"""The whole recording through feed and database, held against the sandbox's own klines of it."""

from pathlib import Path

import pytest

from candles import services
from candles.live.bootstrap import Bootstrap
from candles.live.feed import SymbolFeed
from candles.live.state import UnrecordedCandle
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV
from market.ticks import Tick
from market.wire.frames import KlineEvent
from sandbox.data.kline_builder import ClosedKline, KlineBuilder
from sandbox.data.tape import Trade
from tests import recorded as data
from tests.builders import NOON, kline_event, symbol

EMPTY_MINUTES = {"BTCUSDT": 0, "ETHUSDT": 0, "NEXOUSDT": 167}
BATCH = 500


def printed(ticks: list[Tick], chart: KlineBuilder) -> list[ClosedKline]:
    """The minutes that are over by these trades, as the exchange has them."""
    closed: list[ClosedKline] = []
    for one in ticks:
        trade = Trade(one.tick_id, one.time_ms, one.price, one.quantity, one.buyer_is_maker)
        closed += [each for each in chart.add_trade(trade) if each.interval == "1m"]
    return closed


def event(of: ClosedKline, name: str) -> KlineEvent:
    kline = of.kline
    values = (
        kline.open, kline.high, kline.low, kline.close, kline.volume, kline.quote, kline.count,
        kline.taker_volume, kline.taker_quote,
    )  # fmt: skip
    return kline_event(OHLCV(kline.open_ms, kline.end_ms - kline.open_ms, *values), name)


@pytest.mark.django_db
@pytest.mark.parametrize("name", EMPTY_MINUTES)
def test_every_recorded_minute_is_proven_exact(recorded: Path, name: str) -> None:
    symbol(name)
    ticks, chart, feed = data.ticks(recorded, name), KlineBuilder(), SymbolFeed(name, ["1m"])
    feed.on_live(0)
    feed.receive_fetched(Bootstrap(name, {}, None, {}, [], ticks[0].tick_id - 1))
    for at in range(0, len(ticks), BATCH):
        batch = ticks[at : at + BATCH]
        events = [event(one, name) for one in printed(batch, chart)]
        closed = feed.receive(batch).merge(feed.receive_klines(events)).closed
        services.record_closed([UnrecordedCandle(name, "1m", candle) for candle in closed])
        assert services.confirm(events, NOON) == []
    candles = Candle.objects.all()
    assert set(candles.values_list("verdict", flat=True)) == {Verdict.EXACT}
    assert candles.filter(trades=0).count() == EMPTY_MINUTES[name]
    minutes = (ticks[-1].time_ms // 60_000) - (ticks[0].time_ms // 60_000)
    assert candles.count() == minutes
