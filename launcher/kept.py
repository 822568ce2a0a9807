"""A process that is kept alive: started again when it ends unasked, stopped in its turn."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from threading import Thread
from typing import Any

from honcho.process import Process

from launcher.orphans import stop_with_parent

LOOK_EVERY = 0.1  # seconds, likewise below
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
STABLE_AFTER = 30.0  # who has lived that long starts again at once
NEEDS_DEADLINE = 20.0  # then it starts anyway: every part can wait for a dead one itself
TURN_DEADLINE = 7.0
GRACE = 5.0


class KeptProcess(Process):  # type: ignore[misc]
    """Honcho runs this in a process of its own, forked from the launcher.

    `needs` hold a first start back until all are true. On SIGTERM, and when the launcher dies,
    it waits for those in `outlives` to be gone, stops its child and sets `gone`.
    """

    needs: tuple[Callable[[], bool], ...] = ()
    outlives: tuple[Event, ...] = ()
    gone: Event

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        self._events, launcher = events, os.getppid()
        self._stopping, self._started = False, False
        stop_with_parent()
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        # Ctrl+C reaches the whole terminal, and is the launcher's to answer. A handler, for
        # unlike SIG_IGN it does not pass on to the child.
        signal.signal(signal.SIGINT, lambda *_: None)
        self._idle_until(lambda: all(need() for need in self.needs), NEEDS_DEADLINE)
        self._keep_alive()
        self._send_start(os.getpid())  # where it never came to one, honcho still counts it
        self._send_message({"returncode": 0}, type="stop")
        self.gone.set()
        if os.getppid() != launcher:
            os._exit(0)  # nobody reads our messages any more: do not wait for that

    def _ask_to_stop(self, *_: object) -> None:
        self._stopping = True

    def _is_stopping(self) -> bool:
        return self._stopping

    def _keep_alive(self) -> None:
        pause = FIRST_PAUSE
        while not self._is_stopping():
            lived = self._live()
            if self._is_stopping():
                return
            pause = FIRST_PAUSE if lived > STABLE_AFTER else min(2 * pause, LONGEST_PAUSE)
            code = self._child.returncode
            self._say(f"ended unasked (code {code}), starts again in {pause:g} s")
            self._idle_until(lambda: False, pause)

    def _live(self) -> float:
        """One life of the child, in seconds."""
        born = time.monotonic()
        # Its shell gives way to the command itself, so that signals reach the right process.
        self._child = self._child_ctor(
            f"exec {self.cmd}", env=self.env, cwd=self.cwd, preexec_fn=stop_with_parent
        )
        self._send_start(self._child.pid)
        reader = Thread(target=self._pass_lines_on)
        reader.start()
        while self._child.poll() is None:
            if self._stopping:
                self._end_child()
            time.sleep(LOOK_EVERY)
        self._kill_rest()
        reader.join()
        return time.monotonic() - born

    def _pass_lines_on(self) -> None:
        for line in iter(self._child.stdout.readline, b""):
            self._send_message(line)
        self._child.stdout.close()

    def _end_child(self) -> None:
        deadline = time.monotonic() + TURN_DEADLINE
        for other in self.outlives:
            other.wait(max(0.0, deadline - time.monotonic()))
        self._child.terminate()
        try:
            self._child.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._say(f"did not stop within {GRACE:g} s and is killed")
            self._kill_rest()

    def _kill_rest(self) -> None:
        """The child's own children stay in its group when it is killed: end them with it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _idle_until(self, happened: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < deadline and not happened():
            time.sleep(LOOK_EVERY)

    def _send_start(self, pid: int) -> None:
        if not self._started:
            self._send_message({"pid": pid}, type="start")
            self._started = True

    def _say(self, text: str) -> None:
        self._send_message(f"{text}\n".encode())
