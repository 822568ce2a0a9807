"""The loop in which time passes at the exchange."""

import asyncio

from sandbox.clock import SECOND_MS
from sandbox.engine.exchange import Exchange
from sandbox.faults.injector import FaultInjector
from sandbox.streams.market_publisher import MarketPublisher

STEP_SECONDS = 0.004


class Simulation:
    """Advances the markets in time, and passes what happens on to open orders and streams."""

    def __init__(self, exchange: Exchange, faults: FaultInjector) -> None:
        self.exchange = exchange
        self.faults = faults
        self.stream_hub = faults.targets.stream_hub
        self.pools = (self.stream_hub, faults.targets.api_connections)
        self.publisher = MarketPublisher(exchange, self.stream_hub, faults.stream_faults)
        self.user_data = faults.targets.user_data
        self._last_second = exchange.clock.now_ms() // SECOND_MS

    async def run(self) -> None:
        """Step on and on, until cancelled."""
        while True:
            self.step()
            await asyncio.sleep(STEP_SECONDS)

    def step(self) -> None:
        """Let everything happen that is due now."""
        now_ms = self.exchange.clock.now_ms()
        self.faults.inject_due(now_ms)
        self._advance_markets(now_ms)
        self.publisher.publish_overdue(now_ms)
        if now_ms // SECOND_MS > self._last_second:
            self._last_second = now_ms // SECOND_MS
            self._step_second(now_ms)
        self.stream_hub.flush_all()
        self.user_data.flush(now_ms)
        for pool in self.pools:
            pool.close_expired()
        self.exchange.wake_next_market()

    def _advance_markets(self, now_ms: int) -> None:
        engine = self.exchange.engine
        engine.run_scheduled(now_ms)
        for market in self.exchange.markets.values():
            if market.next_update_ms <= now_ms:
                update = market.advance(now_ms)
                engine.apply_trades(market, update.groups, now_ms)
                self.publisher.publish_update(market, update, now_ms)

    def _step_second(self, now_ms: int) -> None:
        for pool in self.pools:
            pool.ping_all()
        self.publisher.publish_periodic(now_ms)
