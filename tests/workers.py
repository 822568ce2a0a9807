"""Waiting for the stream process's database thread."""

from foundation.worker import DatabaseWorker
from tests.servers import eventually


def work_off(worker: DatabaseWorker) -> None:
    """Let the worker do all that it has to do, and what follows from it."""
    done: list[None] = []
    worker.submit(lambda: None, done.append)

    def finished() -> bool:
        worker.collect()
        return bool(done)

    assert eventually(finished)
