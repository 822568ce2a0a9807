"""Exits: why a position is to be sold, and when its next sale may be tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile

from foundation.backoff import Backoff
from orders.core.status import OrderStatus

BACKOFF = Backoff(first_s=2, max_s=60)  # between attempts that sell nothing


class ExitReason(StrEnum):
    """Reasons to sell a position. A halt's word ends with the halt; the others stand."""

    CROSSOVER = "crossover"
    STOP_LOSS = "stop_loss"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class PastSale:
    """An earlier sale of a position that has ended, or was denied; `executed` in base asset."""

    status: str
    executed: Decimal
    ended_at: datetime


def next_sale_at(past: Sequence[PastSale]) -> datetime | None:
    """The earliest time of the next sale, given those before, newest first; None: at once.

    What was filled whole is followed at once: it was as much as one order may sell. What sold a
    part is followed after the first pause, for others to fill the book; what sold nothing after
    ever longer ones.
    """
    if not past or past[0].status == OrderStatus.FILLED:
        return None
    failures = len(list(takewhile(lambda sale: not sale.executed, past)))
    return past[0].ended_at + pause_after(max(1, failures))


def pause_after(failures: int) -> timedelta:
    """The wait before the next attempt after so many that failed, 1 or more."""
    return timedelta(seconds=BACKOFF.pause_s(failures - 1))
