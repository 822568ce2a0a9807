"""Faults of the markets' events; REST stays right. No symbol means each that trades."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Literal, Self

from msgspec import Meta

from sandbox.data.klines import INTERVALS
from sandbox.faults.fault import Count, Fault, Seconds, random_seconds, random_symbol
from sandbox.faults.targets import FaultTargets
from sandbox.streams.market_stream_faults import kline_target
from sandbox.wire import Json


class TradeEventFault(Fault):
    """Happens to the next `count` aggregate trades, and the trades in them."""

    symbol: str | None = None
    count: Count = 1

    def apply(self, targets: FaultTargets) -> Json:
        for symbol in targets.symbols(self.symbol):
            targets.stream_faults.add_fault(self.name, symbol, self.count)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_symbol(rng, symbols), rng.randint(1, 20))


class SkipIds(TradeEventFault, tag="skip_ids"):
    """The next `count` aggregate trades, and the trades in them, are missing on the streams."""


class Duplicate(TradeEventFault, tag="duplicate"):
    """The next `count` aggregate trades, and the trades in them, are sent twice."""


class HostileValues(TradeEventFault, tag="hostile_values"):
    """The next `count` aggregate trades are sent with a value that cannot be, another each time:
    no price, a negative quantity, a time a day ahead, or ids that run backwards.
    """


class Reorder(TradeEventFault, tag="reorder"):
    """The next `count` aggregate trades are each sent after their successor.

    Where none comes within a second the trade is sent without it.
    """


class ClosedKlineFault(Fault):
    """Happens to the next `count` events of closed klines that somebody is subscribed to.

    No interval means those of all intervals together.
    """

    symbol: str | None = None
    interval: Literal[INTERVALS] | None = None  # type: ignore[valid-type]
    count: Count = 1

    def apply(self, targets: FaultTargets) -> Json:
        for symbol in targets.symbols(self.symbol):
            name = kline_target(symbol, self.interval)
            targets.stream_faults.add_fault(self.name, name, self.count)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(symbol=random_symbol(rng, symbols), count=rng.randint(1, 3))


class MissingFinal(ClosedKlineFault, tag="missing_final"):
    """The next `count` kline events with x=true are not sent."""


class DoubleFinal(ClosedKlineFault, tag="double_final"):
    """The next `count` kline events with x=true are sent twice."""


class WrongKlines(ClosedKlineFault, tag="wrong_klines"):
    """The next `count` kline events with x=true have a wrong close and volume.

    Likewise the last closed kline of the next `rest` answers of REST /klines a wrong volume.
    """

    rest: Annotated[int, Meta(ge=0, le=1_000)] = 0

    def apply(self, targets: FaultTargets) -> Json:
        for symbol in targets.symbols(self.symbol):
            targets.requests.faults.falsify_klines(symbol, self.rest)
        return super().apply(targets)

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        symbol, count = random_symbol(rng, symbols), rng.randint(1, 3)
        return cls(symbol=symbol, count=count, rest=rng.randint(0, 2))


class Deaf(Fault, tag="deaf"):
    """For `seconds` the streams carry nothing at all of any symbol, on whatever connection.

    Connections are accepted, subscriptions acknowledged and pings sent; what is due never comes.
    """

    seconds: Seconds

    def apply(self, targets: FaultTargets) -> Json:
        for symbol in targets.exchange.markets:
            targets.stream_faults.mute_symbol(symbol, targets.ms_after(self.seconds))
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3))


class Mute(Fault, tag="mute"):
    """For `seconds` the streams carry nothing at all of a symbol; what is due never comes."""

    symbol: str
    seconds: Seconds

    def apply(self, targets: FaultTargets) -> Json:
        for symbol in targets.symbols(self.symbol):
            targets.stream_faults.mute_symbol(symbol, targets.ms_after(self.seconds))
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.choice(symbols), random_seconds(rng, 0.5, 3))
