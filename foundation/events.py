"""Domain events: facts that are committed, and the reactions that follow from them.

A fact is announced inside the transaction that makes it true and handed to its reactions once
that has committed, all facts of one transaction together. A reaction may be lost with its
process; sweeps finish what was left undone.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog
from django.db import transaction

from foundation.outages import is_outage

T = TypeVar("T")
Reaction = Callable[[Sequence[T]], None]
logger = structlog.get_logger(__name__)


class Event(Generic[T]):
    """One kind of fact. `tradingsite.wiring` says what follows from it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reactions: list[Reaction[T]] = []

    def announce(self, facts: Sequence[T]) -> None:
        """Hand `facts` to every reaction once the surrounding transaction has committed."""
        if facts:
            transaction.on_commit(partial(self._react, list(facts)))

    def _react(self, facts: Sequence[T]) -> None:
        for reaction in self.reactions:
            _react(self.name, reaction, facts)


def after_commit(name: str, reaction: Reaction[T], facts: Sequence[T]) -> None:
    """Call `reaction` with `facts` once the surrounding transaction has committed.

    For what the caller itself does next, before anybody is told; it may be lost like any reaction.
    """
    if facts:
        transaction.on_commit(partial(_react, name, reaction, list(facts)))


def _react(name: str, reaction: Reaction[T], facts: Sequence[T]) -> None:
    try:
        reaction(facts)
    except Exception as error:
        # The fact is committed: one failing reaction must not stop the others, nor whoever
        # announced.
        if is_outage(error):  # expected trouble, and what sweeps are for
            logger.warning("reaction.lost", fact=name, error=str(error).strip())
        else:  # a test that gets here fails (tests/conftest.py)
            called = getattr(reaction, "func", reaction)
            logger.exception("reaction.failed", fact=name, reaction=called.__name__)
