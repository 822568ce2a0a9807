"""Tests of worker threads, without a database."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError

from foundation import worker as worker_module
from foundation.worker import DatabaseWorker, WorkerPool
from tests.servers import HANG_S, eventually

pytestmark = pytest.mark.usefixtures("without_database")


@pytest.fixture
def without_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "close_old_connections", lambda: None)
    monkeypatch.setattr(worker_module, "RETRY_S", 0.01)


@pytest.fixture
def database() -> Iterator[DatabaseWorker]:
    worker = DatabaseWorker()
    yield worker
    worker.stop(5)


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool("test", 1, in_order=False)
    yield pool
    pool.cancel()


def fails(times: int, error: Exception, result: str) -> Callable[[], str]:
    """A job that fails so often before it succeeds."""
    failures = iter([error] * times)

    def job() -> str:
        for failure in failures:
            raise failure
        return result

    return job


def again_soon(_: Exception) -> float:
    return 0.01


def collected(worker: WorkerPool, done: list[str], count: int) -> list[str]:
    def finished() -> bool:
        worker.collect()
        return len(done) == count

    assert eventually(finished)
    return done


def test_a_job_waits_for_the_database_and_nothing_overtakes_it(database: DatabaseWorker) -> None:
    done: list[str] = []
    database.submit(fails(3, OperationalError("gone"), "first"), done.append)
    database.submit(lambda: "second", done.append)
    assert collected(database, done, 2) == ["first", "second"]


class Gate:
    """A job that holds its thread until the gate is opened."""

    def __init__(self) -> None:
        self.started, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.started.set()
        self.opened.wait(HANG_S)
        return "held"


def test_an_urgent_job_comes_before_those_that_wait(database: DatabaseWorker) -> None:
    done: list[str] = []
    gate = Gate()
    database.submit(gate, done.append)
    assert gate.started.wait(HANG_S)
    database.submit(lambda: "later", done.append)
    database.submit(lambda: "urgent", done.append, urgent=True)
    gate.opened.set()
    assert collected(database, done, 3) == ["held", "urgent", "later"]


def test_an_error_that_no_waiting_mends_is_raised_where_jobs_are_collected(
    database: DatabaseWorker,
) -> None:
    database.submit(fails(1, ValueError("ours"), ""))
    with pytest.raises(ValueError, match="ours"):
        collected(database, [], 1)


def test_a_job_that_is_put_aside_holds_up_no_other(pool: WorkerPool) -> None:
    done: list[str] = []
    pool.submit(fails(2, ConnectionError(), "tried"), done.append, retry_after=again_soon)
    pool.submit(lambda: "at once", done.append)
    assert collected(pool, done, 2) == ["at once", "tried"]


@pytest.mark.parametrize(
    ("end", "expected"), [(WorkerPool.cancel, 1), (lambda pool: pool.stop(HANG_S), 3)]
)
def test_what_waits_is_dropped_by_cancelling_and_done_by_stopping(
    end: Callable[[WorkerPool], None], expected: int
) -> None:
    done: list[str] = []
    pool, gate = WorkerPool("test", 1, in_order=True), Gate()
    pool.submit(gate, done.append)
    assert gate.started.wait(HANG_S)
    for _ in range(2):
        pool.submit(lambda: "waited", done.append)
    threading.Timer(0.05, gate.opened.set).start()
    end(pool)
    assert len(collected(pool, done, expected)) == expected
