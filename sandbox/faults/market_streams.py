"""Faults of what the streams carry; REST stays right. No symbol means each that trades."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Literal, Self

from msgspec import Meta

from sandbox.data.klines import INTERVALS
from sandbox.faults.fault import Count, Fault, Seconds, seconds, some
from sandbox.faults.targets import Places
from sandbox.streams.market_stream_faults import kline_target
from sandbox.wire import Json


class PrintFault(Fault):
    """Befalls the next `count` aggregate trades, and the trades in them."""

    symbol: str | None = None
    count: Count = 1

    def strike(self, at: Places) -> Json:
        for symbol in at.symbols(self.symbol):
            at.outgoing.add_fault(str(self.__struct_config__.tag), symbol, self.count)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(some(draw, symbols), draw.randint(1, 20))


class SkipIds(PrintFault, tag="skip_ids"):
    """The next `count` aggregate trades, and the trades in them, are missing on the streams."""


class Duplicate(PrintFault, tag="duplicate"):
    """The next `count` aggregate trades, and the trades in them, are sent twice."""


class Reorder(PrintFault, tag="reorder"):
    """The next `count` aggregate trades are each sent after their successor.

    Where none comes within a second the trade is sent without it.
    """


class FinalFault(Fault):
    """Befalls the next `count` events of closed klines that somebody is subscribed to.

    No interval means those of all intervals together.
    """

    symbol: str | None = None
    interval: Literal[INTERVALS] | None = None  # type: ignore[valid-type]
    count: Count = 1

    def strike(self, at: Places) -> Json:
        for symbol in at.symbols(self.symbol):
            name = kline_target(symbol, self.interval)
            at.outgoing.add_fault(str(self.__struct_config__.tag), name, self.count)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(symbol=some(draw, symbols), count=draw.randint(1, 3))


class MissingFinal(FinalFault, tag="missing_final"):
    """The next `count` kline events with x=true are not sent."""


class DoubleFinal(FinalFault, tag="double_final"):
    """The next `count` kline events with x=true are sent twice."""


class WrongKlines(FinalFault, tag="wrong_klines"):
    """The next `count` kline events with x=true have a wrong close and volume.

    Likewise the last closed kline of the next `rest` answers of REST /klines a wrong volume.
    """

    rest: Annotated[int, Meta(ge=0, le=1_000)] = 0

    def strike(self, at: Places) -> Json:
        for symbol in at.symbols(self.symbol):
            at.requests.faults.falsify_klines(symbol, self.rest)
        return super().strike(at)

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        symbol, count = some(draw, symbols), draw.randint(1, 3)
        return cls(symbol=symbol, count=count, rest=draw.randint(0, 2))


class Mute(Fault, tag="mute"):
    """For `seconds` the streams carry nothing at all of a symbol; what is due never comes."""

    symbol: str
    seconds: Seconds

    def strike(self, at: Places) -> Json:
        for symbol in at.symbols(self.symbol):
            at.outgoing.mute_symbol(symbol, at.in_seconds(self.seconds))
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(draw.choice(symbols), seconds(draw, 0.5, 3))
