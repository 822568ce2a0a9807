"""Waiting for the stream process's database thread."""

from foundation.worker import Clerk
from tests.servers import eventually


def work_off(clerk: Clerk) -> None:
    """Let the clerk do all that it has to do, and what follows from it."""
    done: list[None] = []
    clerk.do(lambda: None, done.append)

    def finished() -> bool:
        clerk.finished()
        return bool(done)

    assert eventually(finished)
