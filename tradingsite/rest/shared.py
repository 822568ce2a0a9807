"""Answers that cost much, worked out once for all who ask meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedAnswer(Generic[T]):
    """Answers of `work_out`, of which one at a time is under way: whoever asks meanwhile waits for
    that one, in memory for one. Nothing is kept for those who ask later.
    """

    def __init__(self, work_out: Callable[[], T]) -> None:
        self._work_out = work_out
        self._lock = threading.Lock()
        self._running: Future[T] | None = None

    def get(self) -> T:
        """The answer; what `work_out` raises, all raise who waited for it."""
        with self._lock:
            running, ours = self._running or Future[T](), self._running is None
            self._running = running
        if not ours:
            return running.result()
        try:
            running.set_result(self._work_out())
        except BaseException as error:
            running.set_exception(error)
        finally:
            with self._lock:
                self._running = None
        return running.result()
