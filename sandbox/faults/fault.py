"""The base of all faults, and the types of their parameters."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Self

from msgspec import Meta, Struct

from sandbox.faults.targets import FaultTargets
from sandbox.wire import Json

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Milliseconds = Annotated[int, Meta(ge=1, le=86_400_000)]
Path = Annotated[str, Meta(pattern="^/api/v3/")]


class Fault(Struct, forbid_unknown_fields=True, tag_field="fault"):
    """Something to go wrong. Its fields are its parameters."""

    @property
    def name(self) -> str:
        return str(self.__struct_config__.tag)

    def apply(self, targets: FaultTargets) -> Json:
        """Go wrong, now or when it is due; returns details for the answer. Raises BadFault."""
        raise NotImplementedError

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        """A fault with random parameters that a correct client survives."""
        raise NotImplementedError


def random_symbol(rng: Random, symbols: Sequence[str]) -> str | None:
    """One of these symbols, or as often None for all of them."""
    return rng.choice(symbols) if symbols and rng.random() < 0.5 else None


def random_seconds(rng: Random, minimum: float, maximum: float) -> float:
    return round(rng.uniform(minimum, maximum), 3)
