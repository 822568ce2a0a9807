"""The faults that are under way, and those that were."""

from typing import ClassVar

import msgspec

from sandbox.faults.fault import Fault
from sandbox.faults.storm import Forecast, Storm
from sandbox.faults.targets import Places
from sandbox.wire import Json


class Faults:
    """Lets faults happen at one exchange, and remembers them."""

    MOST_REMEMBERED: ClassVar[int] = 10_000

    def __init__(self, places: Places) -> None:
        self.places = places
        self.outgoing, self.requests = places.outgoing, places.requests
        self.injected: list[Json] = []
        self.storm: Storm | None = None

    def inject(self, fault: Fault) -> Json:
        """Have a fault happen; returns what there is to tell. Raises BadFault."""
        told = {
            "time_ms": self.places.now_ms(),
            **msgspec.to_builtins(fault),
            **fault.strike(self.places),
        }
        del self.injected[: 1 - self.MOST_REMEMBERED]
        self.injected.append(told)
        return told

    def let_storm(self, forecast: Forecast, begin_ms: int) -> Json:
        """Strike drawn faults from now on, in place of any storm before."""
        symbols = [
            symbol for symbol, market in self.places.exchange.markets.items() if market.is_trading
        ]
        self.storm = Storm(forecast, symbols, begin_ms)
        return self.storm.told()

    def strike_due(self, now_ms: int) -> None:
        if self.storm:
            for fault in self.storm.due(now_ms):
                self.inject(fault)

    def clear(self) -> None:
        """End the storm and all faults in force, and forget what has not happened yet."""
        self.storm = None
        self.requests.interceptors.clear()
        self.outgoing.clear()
        self.requests.faults.clear()
        self.places.hub.clear_faults()
        self.places.api.clear_faults()
        self.places.user_data.clear_faults()
        for market in self.places.exchange.markets.values():
            market.source.clear_faults()

    def waiting(self) -> Json:
        """What has not happened yet, the storm, and all that was injected, with its time."""
        return {
            **self.outgoing.pending(),
            **self.places.user_data.faults.pending(),
            "orders": [
                msgspec.to_builtins(fault)
                for waiting in self.requests.interceptors.values()
                for fault in waiting
            ],
            "storm": self.storm.told() if self.storm else None,
            "injected": self.injected,
        }
