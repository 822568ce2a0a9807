"""The stream process's threads for the database, so that ticks never wait for it."""

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, PriorityQueue, SimpleQueue
from typing import Any, NamedTuple, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connections

T = TypeVar("T")
DATABASE_GONE = (OperationalError, InterfaceError)
RETRY_S = 0.5
logger = structlog.get_logger(__name__)


class _Task(NamedTuple):
    later: bool
    number: int
    job: Callable[[], Any]
    then: Callable[[Any], None]


class Clerk:
    """Does one job after the other, or so many at once, each until the database takes it.

    A job has to stand being done twice: it may have been carried out although its answer was
    lost. What follows from a job is done in the thread that calls `finished`.
    """

    def __init__(self, name: str = "clerk", at_once: int = 1) -> None:
        self._tasks: PriorityQueue[_Task] = PriorityQueue()
        self._outcomes: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(at_once)
        ]
        for thread in self._threads:
            thread.start()

    def do(
        self,
        job: Callable[[], T],
        then: Callable[[T], None] = lambda _: None,
        *,
        urgent: bool = False,
    ) -> None:
        """Have `job` done after those before it, an urgent one before all others."""
        self._tasks.put(_Task(not urgent, next(self._numbers), job, then))

    def finished(self) -> None:
        """Do what follows from the jobs done since the last call; raise what one has raised."""
        while not self._outcomes.empty():
            self._outcomes.get()()

    def stop(self, within_s: float) -> None:
        """Do what is to be done, for so long; what is left is found and done by a successor."""
        self._stopping.set()
        until_s = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _work(self) -> None:
        while not (self._stopping.is_set() and self._tasks.empty()):
            with suppress(Empty):
                self._do(self._tasks.get(timeout=0.2))
        connections.close_all()

    def _do(self, task: _Task) -> None:
        while True:
            try:
                close_old_connections()  # one that lay idle, or broke, may be of no use
                self._outcomes.put(partial(task.then, task.job()))
                return
            except DATABASE_GONE as error:
                logger.warning("database.unreachable", error=str(error).strip())
            except Exception as error:
                # Not ours to judge: `finished` raises it where the process can end of it.
                self._outcomes.put(partial(_raise, error))
                return
            if self._stopping.wait(RETRY_S):
                return


def _raise(error: Exception) -> None:
    raise error
