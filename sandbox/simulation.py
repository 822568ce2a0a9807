"""The heartbeat: lets the markets move and tells the streams. Source: protocol B.5, C."""

import asyncio
from functools import partial

from sandbox.clock import SECOND_MS
from sandbox.data.kline_builder import Closed
from sandbox.data.payloads import stream_agg_trade, stream_kline, stream_mini_ticker, stream_trade
from sandbox.data.tape import Print
from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Market, Moved
from sandbox.faults.injector import Faults
from sandbox.wire import Json, text

BEAT_SECONDS = 0.004
KLINE_EVERY_SECONDS = 2
ALL_MINI_TICKERS = "!miniTicker@arr"


class Feed:
    """Carries what happens from the markets to the account's open orders and the streams."""

    def __init__(self, exchange: Exchange, faults: Faults) -> None:
        self.exchange = exchange
        self.faults = faults
        self.hub, self.api = faults.places.hub, faults.places.api
        self.user_data = faults.places.user_data
        self._second = exchange.clock.now_ms() // SECOND_MS
        self._moved: set[str] = set()  # symbols that traded since the last whole second

    async def run(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def beat(self) -> None:
        """Let everything happen that is due now."""
        now_ms = self.exchange.clock.now_ms()
        self.faults.strike_due(now_ms)
        self.exchange.engine.run_due(now_ms)
        for market in self.exchange.markets.values():
            if market.due_ms <= now_ms:
                self._tell(market, market.advance(now_ms), now_ms)
        for symbol, printed in self.faults.outgoing.overdue(now_ms):
            self._send(symbol, printed, now_ms)
        if now_ms // SECOND_MS > self._second:
            self._second = now_ms // SECOND_MS
            self._each_second(now_ms)
        self.hub.flush()
        self.user_data.flush(now_ms)
        for service in (self.hub, self.api):
            service.end_lifetimes()
        self.exchange.wake_one()

    def _tell(self, market: Market, moved: Moved, now_ms: int) -> None:
        symbol = market.rules.symbol
        self.exchange.engine.market_moved(market, moved.prints, now_ms)
        if self.faults.outgoing.is_mute(symbol, now_ms):
            return
        for printed in self.faults.outgoing.prints(symbol, moved.prints, now_ms):
            self._send(symbol, printed, now_ms)
        for closed in moved.closed:
            self._send_final(market, closed, now_ms)
        if moved.prints or moved.closed:  # a trade or a new second: the book is another
            name = f"{symbol.lower()}@bookTicker"
            self.hub.publish(name, partial(stream_book_ticker, market, now_ms))
        if moved.prints:
            self._moved.add(symbol)

    def _send(self, symbol: str, printed: Print, now_ms: int) -> None:
        name, publish = symbol.lower(), self.hub.publish
        for trade in printed.trades:
            publish(f"{name}@trade", partial(stream_trade, symbol, trade, now_ms))
        publish(f"{name}@aggTrade", partial(stream_agg_trade, symbol, printed.agg, now_ms))

    def _send_final(self, market: Market, closed: Closed, now_ms: int) -> None:
        symbol, interval = market.rules.symbol, closed.interval
        name = f"{symbol.lower()}@kline_{interval}"
        if name in self.hub.streams:
            for kline in self.faults.outgoing.finals(market.rules, closed):
                event = partial(stream_kline, symbol, interval, kline, True, now_ms)
                self.hub.publish(name, event)

    def _each_second(self, now_ms: int) -> None:
        for service in (self.hub, self.api):
            service.keep_alive()
        is_mute = self.faults.outgoing.is_mute
        changed = {symbol for symbol in self._moved if not is_mute(symbol, now_ms)}
        self._moved = set()
        for name in list(self.hub.streams):
            symbol, _, kind = name.partition("@")
            market = self.exchange.markets.get(symbol.upper())
            if market and symbol.islower() and not is_mute(market.rules.symbol, now_ms):
                self._regular(name, kind, market, market.rules.symbol in changed, now_ms)
        if changed:
            self.hub.publish(ALL_MINI_TICKERS, partial(self._mini_tickers, sorted(changed), now_ms))

    def _regular(self, name: str, kind: str, market: Market, changed: bool, now_ms: int) -> None:
        """What is sent at set times: open klines and tickers."""
        symbol = market.rules.symbol
        if kind == "miniTicker" and changed and (day := market.day(now_ms)):
            self.hub.publish(name, partial(stream_mini_ticker, symbol, day, now_ms))
        interval = kind.removeprefix("kline_")
        if interval == kind or interval not in market.chart.closed:
            return
        every = 1 if interval == "1s" else KLINE_EVERY_SECONDS
        if self._second % every == 0 and (kline := market.chart.forming(interval)):
            event = partial(stream_kline, symbol, interval, kline, False, now_ms)
            self.hub.publish(name, event)

    def _mini_tickers(self, symbols: list[str], now_ms: int) -> list[Json]:
        days = [(symbol, self.exchange.markets[symbol].day(now_ms)) for symbol in symbols]
        return [stream_mini_ticker(symbol, day, now_ms) for symbol, day in days if day]


def stream_book_ticker(market: Market, now_ms: int) -> Json:
    bid, ask = market.best(now_ms)
    return {
        "u": market.book(now_ms).update_id,
        "s": market.rules.symbol,
        "b": text(bid.price),
        "B": text(bid.quantity),
        "a": text(ask.price),
        "A": text(ask.quantity),
    }
