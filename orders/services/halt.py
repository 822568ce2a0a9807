"""The trading halt: set by a person, kept with its history, read before every order."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from orders import queries
from orders.events import halt_changed
from orders.models import Halt, HaltLevel


def current_halt() -> Halt | None:
    """The halt that governs; None where none was ever set."""
    return Halt.objects.first()


def entries_halted() -> bool:
    return queries.halt_level() not in (None, HaltLevel.OFF)


@transaction.atomic
def set_halt(level: HaltLevel | str, user: User | None, reason: str, now: datetime) -> Halt:
    """Write a new level down; it governs from the commit on, in every process.

    Raises ValueError for a level that does not exist.
    """
    halt = Halt.objects.create(level=HaltLevel(level), by=user, reason=reason, at=now)
    halt_changed.announce([halt])
    return halt
