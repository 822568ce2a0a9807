"""The loop that lets time pass at the exchange."""

import asyncio

from sandbox.clock import SECOND_MS
from sandbox.engine.exchange import Exchange
from sandbox.faults.injector import Faults
from sandbox.streams.market_publisher import MarketPublisher

STEP_SECONDS = 0.004


class Simulation:
    """Carries what happens from the markets to the account's open orders and the streams."""

    def __init__(self, exchange: Exchange, faults: Faults) -> None:
        self.exchange = exchange
        self.faults = faults
        self.hub, self.api = faults.places.hub, faults.places.api
        self.publisher = MarketPublisher(exchange, self.hub, faults.outgoing)
        self.user_data = faults.places.user_data
        self._second = exchange.clock.now_ms() // SECOND_MS

    async def run(self) -> None:
        """Step on and on, until cancelled."""
        while True:
            self.step()
            await asyncio.sleep(STEP_SECONDS)

    def step(self) -> None:
        """Let everything happen that is due now."""
        now_ms = self.exchange.clock.now_ms()
        self.faults.strike_due(now_ms)
        self._advance_markets(now_ms)
        self.publisher.publish_overdue(now_ms)
        if now_ms // SECOND_MS > self._second:
            self._second = now_ms // SECOND_MS
            self._step_second(now_ms)
        self.hub.flush_all()
        self.user_data.flush(now_ms)
        for service in (self.hub, self.api):
            service.close_expired()
        self.exchange.wake_next_market()

    def _advance_markets(self, now_ms: int) -> None:
        engine = self.exchange.engine
        engine.run_scheduled(now_ms)
        for market in self.exchange.markets.values():
            if market.next_update_ms <= now_ms:
                moved = market.advance(now_ms)
                engine.apply_trades(market, moved.groups, now_ms)
                self.publisher.publish_update(market, moved, now_ms)

    def _step_second(self, now_ms: int) -> None:
        for service in (self.hub, self.api):
            service.ping_all()
        self.publisher.publish_periodic(now_ms)
