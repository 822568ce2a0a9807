"""What a fault is, and what it can reach."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Self

from msgspec import Meta, Struct

from sandbox.faults.targets import Places
from sandbox.wire import Json

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Milliseconds = Annotated[int, Meta(ge=1, le=86_400_000)]
Path = Annotated[str, Meta(pattern="^/api/v3/")]


class Fault(Struct, forbid_unknown_fields=True, tag_field="fault"):
    """Something to go wrong. Its fields are its parameters, so that a wrong one is refused."""

    def strike(self, at: Places) -> Json:
        """Happen, or leave word that it is to; returns what there is to tell. Raises BadFault."""
        raise NotImplementedError

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        """One of parameters that a correct client survives."""
        raise NotImplementedError


def some(draw: Random, symbols: Sequence[str]) -> str | None:
    """One of these symbols, or as often all of them."""
    return draw.choice(symbols) if symbols and draw.random() < 0.5 else None


def seconds(draw: Random, least: float, most: float) -> float:
    return round(draw.uniform(least, most), 3)
