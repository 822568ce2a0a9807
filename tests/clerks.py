"""Waiting for the stream process's database thread."""

from tests.servers import eventually
from tradingsite.clerk import Clerk


def work_off(clerk: Clerk) -> None:
    """Let the clerk do all that it has to do, and what follows from it."""
    done: list[None] = []
    clerk.do(lambda: None, done.append)

    def finished() -> bool:
        clerk.finished()
        return bool(done)

    assert eventually(finished)
