"""Events of the public markets, sent to the streams. Source: protocol B.5, C."""

from functools import partial

from sandbox.clock import SECOND_MS
from sandbox.data.kline_builder import ClosedKline
from sandbox.data.payloads import stream_agg_trade, stream_kline, stream_mini_ticker, stream_trade
from sandbox.data.tape import TradeGroup
from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Market, MarketUpdate
from sandbox.streams.hub import Hub
from sandbox.streams.market_stream_faults import Outgoing
from sandbox.wire import Json, format_decimal

KLINE_EVERY_SECONDS = 2
ALL_MINI_TICKERS = "!miniTicker@arr"


class MarketPublisher:
    """Turns what happens at the markets into events, as faults of the streams let it."""

    def __init__(self, exchange: Exchange, hub: Hub, faults: Outgoing) -> None:
        self.exchange = exchange
        self.hub = hub
        self.faults = faults
        self._moved: set[str] = set()  # symbols that traded since the last whole second

    def publish_update(self, market: Market, moved: MarketUpdate, now_ms: int) -> None:
        """Trades, the klines that they or the time closed, and the best bid and ask."""
        symbol = market.rules.symbol
        if self.faults.is_mute(symbol, now_ms):
            return
        for printed in self.faults.prints(symbol, moved.groups, now_ms):
            self._publish_trades(symbol, printed, now_ms)
        for closed in moved.closed:
            self._publish_closed(market, closed, now_ms)
        if moved.groups or moved.closed:  # a trade or a new second: the book is another
            name = f"{symbol.lower()}@bookTicker"
            self.hub.publish(name, partial(stream_book_ticker, market, now_ms))
        if moved.groups:
            self._moved.add(symbol)

    def publish_overdue(self, now_ms: int) -> None:
        """Trades that a fault held back for a successor that did not come in time."""
        for symbol, printed in self.faults.overdue(now_ms):
            self._publish_trades(symbol, printed, now_ms)

    def _publish_trades(self, symbol: str, printed: TradeGroup, now_ms: int) -> None:
        name, publish = symbol.lower(), self.hub.publish
        for trade in printed.trades:
            publish(f"{name}@trade", partial(stream_trade, symbol, trade, now_ms))
        publish(f"{name}@aggTrade", partial(stream_agg_trade, symbol, printed.agg, now_ms))

    def _publish_closed(self, market: Market, closed: ClosedKline, now_ms: int) -> None:
        symbol, interval = market.rules.symbol, closed.interval
        name = f"{symbol.lower()}@kline_{interval}"
        if name in self.hub.streams:
            for kline in self.faults.finals(market.rules, closed):
                event = partial(stream_kline, symbol, interval, kline, True, now_ms)
                self.hub.publish(name, event)

    def publish_periodic(self, now_ms: int) -> None:
        """Forming klines and tickers; to be called once in every second."""
        is_mute = self.faults.is_mute
        changed = {symbol for symbol in self._moved if not is_mute(symbol, now_ms)}
        self._moved = set()
        for name in list(self.hub.streams):
            symbol, _, kind = name.partition("@")
            market = self.exchange.markets.get(symbol.upper())
            if market and symbol.islower() and not is_mute(market.rules.symbol, now_ms):
                self._publish_regular(name, kind, market, market.rules.symbol in changed, now_ms)
        if changed:
            self.hub.publish(ALL_MINI_TICKERS, partial(self._mini_tickers, sorted(changed), now_ms))

    def _publish_regular(
        self, name: str, kind: str, market: Market, changed: bool, now_ms: int
    ) -> None:
        symbol = market.rules.symbol
        if kind == "miniTicker" and changed and (day := market.day_kline(now_ms)):
            self.hub.publish(name, partial(stream_mini_ticker, symbol, day, now_ms))
        interval = kind.removeprefix("kline_")
        if interval == kind or interval not in market.kline_builder.closed:
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
