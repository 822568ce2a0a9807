"""What a fault is, and what it can reach."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Self

from msgspec import Meta, Struct

from sandbox.api.request_faults import Obstacles
from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import Course
from sandbox.streams.connections import Sockets
from sandbox.streams.hub import Hub
from sandbox.streams.market_stream_faults import Outgoing
from sandbox.streams.user_data import UserData
from sandbox.wire import Json

if TYPE_CHECKING:
    from sandbox.api.request import Call

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Milliseconds = Annotated[int, Meta(ge=1, le=86_400_000)]
Path = Annotated[str, Meta(pattern="^/api/v3/")]


class BadFault(Exception):
    """A fault or storm that cannot be had: why, in one line of text."""


@dataclass(slots=True)
class Places:
    """Where the exchange asks before it acts, so where a fault can leave word."""

    exchange: Exchange
    hub: Hub
    api: Sockets[Any]
    user_data: UserData
    outgoing: Outgoing = field(default_factory=Outgoing)
    obstacles: Obstacles = field(default_factory=Obstacles)
    orders: dict[str, list["OrderFault"]] = field(default_factory=lambda: defaultdict(list))
    """One for each placement and each cancel to come."""

    def next_order(self, action: str) -> "OrderFault | None":
        """What befalls this placement or cancel."""
        waiting = self.orders[action]
        return waiting.pop(0) if waiting else None

    def now_ms(self) -> int:
        return self.exchange.clock.now_ms()

    def in_seconds(self, seconds: float) -> int:
        """That time from now, in ms of the exchange's clock."""
        return self.now_ms() + int(seconds * 1000)

    def markets(self, symbol: str | None) -> list[Market]:
        """One symbol's market, or all that trade; raises BadFault where it is not listed."""
        if symbol is None:
            return [one for one in self.exchange.markets.values() if one.awake and one.trading]
        if symbol not in self.exchange.markets:
            raise BadFault(f"symbol {symbol!r} is not listed; see /api/v3/exchangeInfo")
        return [self.exchange.market(symbol)]

    def symbols(self, symbol: str | None) -> list[str]:
        return [market.rules.symbol for market in self.markets(symbol)]


class Fault(Struct, forbid_unknown_fields=True, tag_field="fault"):
    """Something to go wrong. Its fields are its parameters, so that a wrong one is refused."""

    def strike(self, at: Places) -> Json:
        """Happen, or leave word that it is to; returns what there is to tell. Raises BadFault."""
        raise NotImplementedError

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        """One of parameters that a correct client survives."""
        raise NotImplementedError


class OrderFault(Fault):
    """Befalls the next `count` placements that pass the checks of key, time and signature."""

    count: Count = 1

    @property
    def action(self) -> str:
        """What it befalls: "place" or "cancel"."""
        return "place"

    def strike(self, at: Places) -> Json:
        at.orders[self.action] += [self] * self.count
        return {}

    async def befall(self, call: "Call", act: Callable[[Course], Json]) -> object:
        """Do what was asked or not, and answer as the fault lets it. Raises ApiError."""
        raise NotImplementedError


def some(draw: Random, symbols: Sequence[str]) -> str | None:
    """One of these symbols, or as often all of them."""
    return draw.choice(symbols) if symbols and draw.random() < 0.5 else None


def seconds(draw: Random, least: float, most: float) -> float:
    return round(draw.uniform(least, most), 3)
