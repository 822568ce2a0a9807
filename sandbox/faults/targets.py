"""The parts of the exchange that faults act on."""

from dataclasses import dataclass, field

from sandbox.api.request import ApiContext
from sandbox.api.websocket_api import ApiConnection
from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Market
from sandbox.streams.connections import ConnectionPool
from sandbox.streams.market_stream_faults import MarketStreamFaults
from sandbox.streams.market_streams import StreamHub
from sandbox.streams.user_data import UserDataStream


class BadFault(Exception):
    """A fault or storm that cannot be injected: why, in one line of text."""


@dataclass(slots=True)
class FaultTargets:
    """The parts that faults act on: requests, connections, events, and the exchange itself."""

    requests: ApiContext
    stream_hub: StreamHub
    api_connections: ConnectionPool[ApiConnection]
    stream_faults: MarketStreamFaults = field(default_factory=MarketStreamFaults)

    @property
    def exchange(self) -> Exchange:
        return self.requests.exchange

    @property
    def user_data(self) -> UserDataStream:
        return self.requests.user_data

    def now_ms(self) -> int:
        return self.exchange.clock.now_ms()

    def ms_after(self, seconds: float) -> int:
        """The time so many seconds from now, in ms of the exchange's clock."""
        return self.now_ms() + int(seconds * 1000)

    def markets(self, symbol: str | None) -> list[Market]:
        """One symbol's market, or all that trade; raises BadFault where it is not listed."""
        if symbol is None:
            markets = self.exchange.markets.values()
            return [market for market in markets if market.is_awake and market.is_trading]
        if symbol not in self.exchange.markets:
            raise BadFault(f"symbol {symbol!r} is not listed; see /api/v3/exchangeInfo")
        return [self.exchange.market(symbol)]

    def symbols(self, symbol: str | None) -> list[str]:
        return [market.rules.symbol for market in self.markets(symbol)]
