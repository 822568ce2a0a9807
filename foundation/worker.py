"""Worker threads: jobs run beside a loop that must not wait, and are tried until they succeed."""

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from functools import partial
from queue import Empty, PriorityQueue, SimpleQueue
from typing import Any, NamedTuple, TypeVar

import structlog
from django.db import close_old_connections, connections

from foundation.outages import DATABASE_OUTAGES, RETRY_S

T = TypeVar("T")
# The seconds until a job that failed is tried again; None where `collect` is to raise the error.
RetryPolicy = Callable[[Exception], float | None]
logger = structlog.get_logger(__name__)


class _Rank(IntEnum):
    URGENT, NORMAL, END = range(3)


class _Task(NamedTuple):
    rank: _Rank
    number: int
    job: Callable[[], Any] = lambda: None
    then: Callable[[Any], None] = lambda _: None
    retry_after: RetryPolicy = lambda _: None
    otherwise: Callable[[Exception], None] | None = None


def while_database_away(error: Exception) -> float | None:
    """Try again as long as the database is away; any other failure is raised."""
    if not isinstance(error, DATABASE_OUTAGES):
        return None
    logger.warning("database.unreachable", error=str(error).strip())
    return RETRY_S


class WorkerPool:
    """Threads that run jobs, urgent ones first, else in the order of `submit`.

    A job has to stand being done twice: it may have been carried out although its answer was
    lost. What follows from a job is done in the thread that calls `collect`. The threads are
    daemons: a job under way does not keep the process from ending.

    A job that is to be tried again keeps its thread while it waits where `in_order` holds, so
    that with one thread nothing overtakes it; else it is put aside, and holds up no other.
    """

    def __init__(self, name: str, threads: int, *, in_order: bool) -> None:
        self._in_order = in_order
        self._tasks: PriorityQueue[_Task] = PriorityQueue()
        self._put_aside: SimpleQueue[tuple[float, _Task]] = SimpleQueue()
        self._delayed: list[tuple[float, _Task]] = []  # due at that time.monotonic()
        self._outcomes: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        job: Callable[[], T],
        then: Callable[[T], None] = lambda _: None,
        *,
        urgent: bool = False,
        retry_after: RetryPolicy = while_database_away,
        otherwise: Callable[[Exception], None] | None = None,
    ) -> None:
        """Have `job` done after those before it, an urgent one before all others.

        `otherwise` follows from one that fails for good; without it `collect` raises the failure.
        """
        rank = _Rank.URGENT if urgent else _Rank.NORMAL
        self._tasks.put(_Task(rank, next(self._numbers), job, then, retry_after, otherwise))

    def collect(self) -> None:
        """Do what follows from the jobs done since the last call; raise what one has raised."""
        self._submit_delayed()
        while not self._outcomes.empty():
            self._outcomes.get()()

    def stop(self, within_s: float) -> None:
        """Do what is to be done, for so long; what is left is found and done by a successor."""
        self._end_threads()
        until_s = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def cancel(self) -> None:
        """Drop the jobs that wait, without waiting for those under way."""
        with suppress(Empty):
            while True:
                self._tasks.get_nowait()
        self._end_threads()

    def _end_threads(self) -> None:
        self._stopping.set()
        for _ in self._threads:  # each takes one, after all there is to do
            self._tasks.put(_Task(_Rank.END, next(self._numbers)))

    def _submit_delayed(self) -> None:
        while not self._put_aside.empty():
            self._delayed.append(self._put_aside.get())
        if not self._delayed:
            return
        now_s = time.monotonic()
        for due_s, task in self._delayed:
            if due_s <= now_s:
                self._tasks.put(task)
        self._delayed = [(due_s, task) for due_s, task in self._delayed if due_s > now_s]

    def _work(self) -> None:
        while (task := self._tasks.get()).rank is not _Rank.END:
            self._run(task)
        connections.close_all()

    def _run(self, task: _Task) -> None:
        while (wait_s := self._attempt(task)) is not None:
            if not self._in_order:
                self._put_aside.put((time.monotonic() + wait_s, task))
                return
            if self._stopping.wait(wait_s):
                return

    def _attempt(self, task: _Task) -> float | None:
        """Run a task once; the seconds until it is to be tried again, None where it is done."""
        try:
            close_old_connections()  # one that lay idle, or broke, may be of no use
            self._outcomes.put(partial(task.then, task.job()))
            return None
        except Exception as error:
            wait_s = task.retry_after(error)
            if wait_s is None:
                # Not ours to judge: `collect` raises it where the process can end of it.
                self._outcomes.put(partial(task.otherwise or _raise, error))
            return wait_s


class DatabaseWorker(WorkerPool):
    """Runs one database job after the other, or so many at once, each until the database takes it.

    Ticks never wait for it.
    """

    def __init__(self, name: str = "database", threads: int = 1) -> None:
        super().__init__(name, threads, in_order=True)


def _raise(error: Exception) -> None:
    raise error
