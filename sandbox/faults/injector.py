"""Injection of faults, one by one or in a storm."""

from contextlib import suppress
from typing import ClassVar

import msgspec

from sandbox.faults.fault import Fault
from sandbox.faults.storm import Storm, StormConfig
from sandbox.faults.targets import BadFault, FaultTargets
from sandbox.wire import Json


class FaultInjector:
    """Injects faults into one exchange, and remembers them."""

    MAX_REMEMBERED: ClassVar[int] = 10_000

    def __init__(self, targets: FaultTargets) -> None:
        self.targets = targets
        self.stream_faults, self.requests = targets.stream_faults, targets.requests
        self.injected: list[Json] = []
        self.storm: Storm | None = None

    def inject(self, fault: Fault) -> Json:
        """Inject a fault; returns it with its time and details. Raises BadFault."""
        entry = {
            "time_ms": self.targets.now_ms(),
            **msgspec.to_builtins(fault),
            **fault.apply(self.targets),
        }
        del self.injected[: 1 - self.MAX_REMEMBERED]
        self.injected.append(entry)
        return entry

    def start_storm(self, config: StormConfig, begin_ms: int) -> Json:
        """Inject drawn faults from a time on, in place of any storm before."""
        markets = self.targets.exchange.markets
        symbols = [symbol for symbol, market in markets.items() if market.is_trading]
        self.storm = Storm(config, symbols, begin_ms)
        return self.storm.to_json()

    def inject_due(self, now_ms: int) -> None:
        """Inject the faults of the storm that are due."""
        if self.storm:
            for fault in self.storm.pop_due_faults(now_ms):
                with suppress(BadFault):  # of a symbol that an earlier one has delisted
                    self.inject(fault)

    def clear(self) -> None:
        """End the storm and all faults that are in force or still to happen."""
        self.storm = None
        self.requests.interceptors.clear()
        self.stream_faults.clear()
        self.requests.faults.clear()
        self.targets.stream_hub.clear_faults()
        self.targets.api_connections.clear_faults()
        self.targets.user_data.clear_faults()
        self.targets.exchange.relist()
        for market in self.targets.exchange.markets.values():
            market.clear_faults(self.targets.now_ms())

    def status(self) -> Json:
        """The faults still to happen, the storm, and all faults injected, with their times."""
        return {
            **self.stream_faults.pending(),
            **self.targets.user_data.faults.pending(),
            "orders": [
                msgspec.to_builtins(fault)
                for interceptors in self.requests.interceptors.values()
                for fault in interceptors
            ],
            "storm": self.storm.to_json() if self.storm else None,
            "injected": self.injected,
        }
