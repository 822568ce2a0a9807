"""Faults at random moments; the same seed draws the same ones at the same offsets."""

from collections.abc import Iterator, Sequence
from random import Random

import msgspec
from msgspec import Struct

from sandbox.faults.fault import Fault
from sandbox.faults.registry import FAULTS, FEED_FAULTS
from sandbox.faults.targets import BadFault
from sandbox.wire import Json

DEFAULT_EVERY_S, MIN_EVERY_S = 5.0, 0.01


class StormConfig(Struct, forbid_unknown_fields=True):
    """A storm's seed and faults: on average one of these every `every_s` seconds.

    Raises ValueError. Faults of orders come only where they are named.
    """

    seed: int
    every_s: float = DEFAULT_EVERY_S
    faults: tuple[str, ...] = tuple(FEED_FAULTS)

    def __post_init__(self) -> None:
        if not self.every_s >= MIN_EVERY_S:
            raise ValueError(f"every_s must be at least {MIN_EVERY_S}, was {self.every_s}")
        unknown = [name for name in self.faults if name not in FAULTS]
        if unknown or not self.faults:
            raise ValueError(
                f"no such fault: {', '.join(unknown)!r}; there are {', '.join(FAULTS)}"
            )


class Storm:
    """Faults at drawn offsets from `begin_ms`."""

    def __init__(self, config: StormConfig, symbols: Sequence[str], begin_ms: int) -> None:
        self.config = config
        self.symbols = symbols
        self.begin_ms = begin_ms
        self._rng = Random(f"{config.seed}:storm")
        self._next_offset_s = self._draw_gap_s()

    def _draw_gap_s(self) -> float:
        return self._rng.expovariate(1 / self.config.every_s)

    def pop_due_faults(self, now_ms: int) -> Iterator[Fault]:
        """The faults whose moment has come since the last call."""
        while self.begin_ms + self._next_offset_s * 1000 <= now_ms:
            kind = FAULTS[self._rng.choice(self.config.faults)]
            self._next_offset_s += self._draw_gap_s()
            yield kind.draw(self._rng, self.symbols)

    def to_json(self) -> Json:
        """The storm as answers show it: its configuration, and the time it begins."""
        return {**msgspec.to_builtins(self.config), "begin_ms": self.begin_ms}


def parse_storm(body: bytes) -> StormConfig:
    """A storm's configuration from JSON; raises BadFault saying what is wrong."""
    try:
        return msgspec.json.decode(body, type=StormConfig)
    except msgspec.DecodeError as error:
        raise BadFault(str(error)) from None
