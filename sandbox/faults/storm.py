"""Faults at random moments; the same seed strikes the same ones at the same offsets."""

from collections.abc import Iterator, Sequence
from random import Random

import msgspec
from msgspec import Struct

from sandbox.faults.fault import Fault
from sandbox.faults.registry import FAULTS, FEED_FAULTS
from sandbox.faults.targets import BadFault
from sandbox.wire import Json

EVERY_S, SHORTEST_S = 5.0, 0.01


class Forecast(Struct, forbid_unknown_fields=True):
    """What a storm is drawn by: on average one of these faults every `every_s` seconds.

    Raises ValueError. Faults of orders strike only where they are named.
    """

    seed: int
    every_s: float = EVERY_S
    faults: tuple[str, ...] = tuple(FEED_FAULTS)

    def __post_init__(self) -> None:
        if not self.every_s >= SHORTEST_S:
            raise ValueError(f"every_s must be at least {SHORTEST_S}, was {self.every_s}")
        unknown = [name for name in self.faults if name not in FAULTS]
        if unknown or not self.faults:
            raise ValueError(
                f"no such fault: {', '.join(unknown)!r}; there are {', '.join(FAULTS)}"
            )


class Storm:
    """Faults at drawn offsets from `begin_ms`."""

    def __init__(self, forecast: Forecast, symbols: Sequence[str], begin_ms: int) -> None:
        self.forecast = forecast
        self.symbols = symbols
        self.begin_ms = begin_ms
        self._draw = Random(f"{forecast.seed}:storm")
        self._offset_s = self._gap_s()

    def _gap_s(self) -> float:
        return self._draw.expovariate(1 / self.forecast.every_s)

    def due(self, now_ms: int) -> Iterator[Fault]:
        """The faults whose moment has come since the last call."""
        while self.begin_ms + self._offset_s * 1000 <= now_ms:
            kind = FAULTS[self._draw.choice(self.forecast.faults)]
            self._offset_s += self._gap_s()
            yield kind.drawn(self._draw, self.symbols)

    def told(self) -> Json:
        """What it is drawn by, and since when it strikes."""
        return {**msgspec.to_builtins(self.forecast), "begin_ms": self.begin_ms}


def parse(body: bytes) -> Forecast:
    """A forecast from JSON; raises BadFault saying what is wrong."""
    try:
        return msgspec.json.decode(body, type=Forecast)
    except msgspec.DecodeError as error:
        raise BadFault(str(error)) from None
