"""Events of the public markets, sent to the streams. Source: protocol B.5, C."""

from functools import partial

from sandbox.clock import SECOND_MS
from sandbox.data.kline_builder import ClosedKline
from sandbox.data.payloads import stream_agg_trade, stream_kline, stream_mini_ticker, stream_trade
from sandbox.data.tape import TradeGroup
from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Market, MarketUpdate
from sandbox.streams.market_stream_faults import MarketStreamFaults
from sandbox.streams.market_streams import StreamHub
from sandbox.wire import Json, format_decimal

KLINE_EVERY_SECONDS = 2
ALL_MINI_TICKERS = "!miniTicker@arr"


class MarketPublisher:
    """Publishes the events of the markets to the streams, as faults let it."""

    def __init__(self, exchange: Exchange, hub: StreamHub, faults: MarketStreamFaults) -> None:
        self.exchange = exchange
        self.hub = hub
        self.faults = faults
        self._traded: set[str] = set()  # symbols that traded since the last whole second

    def publish_update(self, market: Market, update: MarketUpdate, now_ms: int) -> None:
        """Publish trades, the klines that they or the time closed, and the best bid and ask."""
        symbol = market.rules.symbol
        if self.faults.is_muted(symbol, now_ms):
            return
        for group in self.faults.filter_trades(symbol, update.groups, now_ms):
            self._publish_trades(symbol, group, now_ms)
        for closed in update.closed:
            self._publish_closed_kline(market, closed, now_ms)
        if update.groups or update.closed:  # a trade or a new second: the book is another
            name = f"{symbol.lower()}@bookTicker"
            self.hub.publish(name, partial(stream_book_ticker, market, now_ms))
        if update.groups:
            self._traded.add(symbol)

    def publish_overdue(self, now_ms: int) -> None:
        """Publish trades that a fault held back for a successor that did not come in time."""
        for symbol, group in self.faults.pop_overdue(now_ms):
            self._publish_trades(symbol, group, now_ms)

    def _publish_trades(self, symbol: str, group: TradeGroup, now_ms: int) -> None:
        name, publish = symbol.lower(), self.hub.publish
        for trade in group.trades:
            publish(f"{name}@trade", partial(stream_trade, symbol, trade, now_ms))
        publish(f"{name}@aggTrade", partial(stream_agg_trade, symbol, group.agg, now_ms))

    def _publish_closed_kline(self, market: Market, closed: ClosedKline, now_ms: int) -> None:
        symbol, interval = market.rules.symbol, closed.interval
        name = f"{symbol.lower()}@kline_{interval}"
        if name in self.hub.streams:
            for kline in self.faults.filter_closed_kline(market.rules, closed):
                event = partial(stream_kline, symbol, interval, kline, True, now_ms)
                self.hub.publish(name, event)

    def publish_periodic(self, now_ms: int) -> None:
        """Publish forming klines and tickers; to be called once in every second."""
        is_muted = self.faults.is_muted
        traded = self._traded & self.exchange.markets.keys()
        changed = {symbol for symbol in traded if not is_muted(symbol, now_ms)}
        self._traded = set()
        for name in list(self.hub.streams):
            symbol, _, kind = name.partition("@")
            market = self.exchange.markets.get(symbol.upper())
            if market and symbol.islower() and not is_muted(market.rules.symbol, now_ms):
                self._publish_forming(name, kind, market, market.rules.symbol in changed, now_ms)
        if changed:
            self.hub.publish(ALL_MINI_TICKERS, partial(self._mini_tickers, sorted(changed), now_ms))

    def _publish_forming(
        self, name: str, kind: str, market: Market, changed: bool, now_ms: int
    ) -> None:
        """Publish the forming kline, or the ticker of a market that has changed, on a stream."""
        symbol = market.rules.symbol
        if kind == "miniTicker" and changed and (day := market.day_kline(now_ms)):
            self.hub.publish(name, partial(stream_mini_ticker, symbol, day, now_ms))
        interval = kind.removeprefix("kline_")
        if interval == kind or interval not in market.kline_builder.closed:
            return
        if not market.makes_klines:
            return
        every = 1 if interval == "1s" else KLINE_EVERY_SECONDS
        if now_ms // SECOND_MS % every == 0 and (kline := market.kline_builder.forming(interval)):
            event = partial(stream_kline, symbol, interval, kline, False, now_ms)
            self.hub.publish(name, event)

    def _mini_tickers(self, symbols: list[str], now_ms: int) -> list[Json]:
        days = [(symbol, self.exchange.markets[symbol].day_kline(now_ms)) for symbol in symbols]
        return [stream_mini_ticker(symbol, day, now_ms) for symbol, day in days if day]


def stream_book_ticker(market: Market, now_ms: int) -> Json:
    bid, ask = market.best_prices(now_ms)
    return {
        "u": market.order_book(now_ms).update_id,
        "s": market.rules.symbol,
        "b": format_decimal(bid.price),
        "B": format_decimal(bid.quantity),
        "a": format_decimal(ask.price),
        "A": format_decimal(ask.quantity),
    }
