"""Faults of the placement of orders."""

from collections.abc import Sequence
from random import Random
from typing import Self

from sandbox.faults.fault import Count, Fault, Places
from sandbox.wire import Json


class OrderFault(Fault):
    """Befalls the next `count` placements that pass the checks of key, time and signature."""

    count: Count = 1

    def strike(self, at: Places) -> Json:
        at.orders += [self] * self.count
        return {}


class OrderTimeout(OrderFault, tag="order_timeout"):
    """No answer, or one only after `answer_after_ms`; the order is carried out or not.

    A late answer is the true one, or -1007 where the order was not carried out.
    """

    executed: bool = True
    answer_after_ms: int | None = None

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        after_ms = draw.choice((None, draw.randint(100, 3_000)))
        return cls(executed=draw.random() < 0.5, answer_after_ms=after_ms)


class OrderError(OrderFault, tag="order_error"):
    """An error of unknown outcome; the order is carried out or not."""

    executed: bool = True
    status: int = 504
    code: int = -1007
    msg: str = (
        "Timeout waiting for response from backend server. "
        "Send status unknown; execution status unknown."
    )

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(executed=draw.random() < 0.5)


class Reject(OrderFault, tag="reject"):
    """A plain refusal with the given code; the order is not carried out."""

    code: int = -2010
    msg: str = "Account has insufficient balance for requested action."
    status: int = 400

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls()
