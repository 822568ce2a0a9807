"""Supervision of processes: started, started again when they end unasked, stopped in order."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from launcher.child import Child
from launcher.output import Output
from launcher.parent_death import Watchdog

MIN_PAUSE_S, MAX_PAUSE_S = 0.5, 15.0
STABLE_AFTER_S = 30.0
MIN_GRACE_S = 0.3
OUTPUT_ENDS_WITHIN_S = 1.0
UNUSABLE = 2  # the exit code of a command that cannot run before somebody mends what it told
LAST_LINES, MAX_SHOWN_BYTES = 3, 300


def next_pause_s(pause_s: float, lived_s: float) -> float:
    """The pause before another start, after `pause_s` before the last one.

    It doubles with each short life, up to MAX_PAUSE_S; after a life longer than STABLE_AFTER_S it
    is MIN_PAUSE_S.
    """
    return MIN_PAUSE_S if lived_s > STABLE_AFTER_S else min(2 * pause_s, MAX_PAUSE_S)


async def done_within(waiting: Coroutine[Any, Any, object], seconds: float) -> bool:
    """Wait for it, but no longer than that."""
    try:
        await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        return False
    return True


async def either(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


def last_lines_of(log: Path | None) -> list[bytes]:
    """The last lines of a file, none where it cannot be read."""
    if log is None:
        return []
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LAST_LINES * MAX_SHOWN_BYTES))
            return file.read().splitlines()[-LAST_LINES:]
    except OSError:
        return []


class Supervisor:
    """Starts commands in `folder` with `environment`, and writes what they say to `output`.

    The descriptors in `keep_open` stay open in all of them, and in what they start. `logs` are
    files that a command writes to instead of its output, by its name.

    A command whose first life ends with the code UNUSABLE would end so for ever: the task that
    runs it is cancelled then, and `unusable` names the command.
    """

    unusable: str | None = None

    def __init__(
        self,
        output: Output,
        *,
        folder: Path,
        environment: Mapping[str, str],
        keep_open: Sequence[int] = (),
        logs: Mapping[str, Path] | None = None,
    ) -> None:
        self.output, self.logs = output, logs or {}
        self._folder, self._environment, self._keep_open = folder, environment, keep_open
        self._watchdog = Watchdog()
        self._children: set[Child] = set()
        self._stop_began_s: float | None = None

    @asynccontextmanager
    async def running(
        self, commands: Mapping[str, str], *, killed_after_s: float
    ) -> AsyncIterator[None]:
        """Keep commands running, each by its name, as long as the block lasts.

        Then SIGTERM to all of them; who is still there `killed_after_s` after the first block of
        this supervisor ended is killed, with all that it started.
        """
        give_up = partial(self._give_up, cast("asyncio.Task[object]", asyncio.current_task()))
        processes = [
            SupervisedProcess(name, command, self, give_up) for name, command in commands.items()
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(process.run()) for process in processes]
            try:
                yield
            finally:
                for process in processes:
                    process.stop(self._grace_s(killed_after_s))
                await asyncio.wait(tasks)

    def _grace_s(self, killed_after_s: float) -> float:
        self._stop_began_s = self._stop_began_s or time.monotonic()
        return max(MIN_GRACE_S, self._stop_began_s + killed_after_s - time.monotonic())

    @asynccontextmanager
    async def child(
        self, name: str, command: str, last_lines: deque[bytes]
    ) -> AsyncIterator[Child]:
        """One life of a command, whose latest lines are kept. After the block nothing is left of
        what it has started.
        """

        def receive(line: bytes) -> None:
            last_lines.append(line)
            self.output.write(name, line)

        child = await Child.start(
            command,
            receive,
            folder=self._folder,
            environment=self._environment,
            keep_open=self._keep_open,
        )
        self._children.add(child)
        self._watch()
        self.output.say(f"{name} started (pid={child.pid})")
        try:
            yield child
        finally:
            child.kill_group()
            self._children.discard(child)
            self._watch()
            await done_within(child.closed.wait(), OUTPUT_ENDS_WITHIN_S)
            child.close()

    def close(self) -> None:
        self._watchdog.close()

    def _give_up(self, task: "asyncio.Task[object]", name: str) -> None:
        self.unusable = self.unusable or name
        task.cancel()

    def _watch(self) -> None:
        self._watchdog.watch(child.pid for child in self._children)


class SupervisedProcess:
    """A command that is started again when it ends unasked, until `stop`.

    `give_up` is called with its name where its first life shows that none can last.
    """

    def __init__(
        self, name: str, command: str, supervisor: Supervisor, give_up: Callable[[str], None]
    ) -> None:
        self._name, self._command, self._supervisor = name, command, supervisor
        self._give_up = give_up
        self._stopping = asyncio.Event()
        self._grace_s = 0.0
        self._last_lines: deque[bytes] = deque(maxlen=LAST_LINES)

    def stop(self, grace_s: float) -> None:
        """Ask for SIGTERM, and SIGKILL to its whole group after the grace; `run` ends with it."""
        self._grace_s = grace_s
        self._stopping.set()

    async def run(self) -> None:
        pause_s, lives, short_lives = MIN_PAUSE_S, 0, 0
        while not self._stopping.is_set():
            born_s, lives = time.monotonic(), lives + 1
            code, end = await self._live()
            if self._stopping.is_set():
                self._supervisor.output.say(f"{self._name} stopped ({end})")
                return
            if lives == 1 and code == UNUSABLE:
                self._give_up(self._name)
                return
            lived_s = time.monotonic() - born_s
            pause_s = next_pause_s(pause_s, lived_s)
            short_lives = 0 if lived_s > STABLE_AFTER_S else short_lives + 1
            self._say(f"ended unasked ({end}), starts again in {pause_s:g} s")
            if short_lives > 1:
                self._say_why(short_lives)
            await done_within(self._stopping.wait(), pause_s)

    async def _live(self) -> tuple[int | None, str]:
        """One life: its exit code, and how it ended in words."""
        self._last_lines.clear()
        try:
            async with self._supervisor.child(self._name, self._command, self._last_lines) as child:
                await either(child.exited, self._stopping)
                if not child.exited.is_set():
                    await self._end(child)
        except OSError as error:  # it could not even be started
            return None, str(error)
        return child.returncode, f"code {child.returncode}"

    async def _end(self, child: Child) -> None:
        child.terminate()
        if not await done_within(child.exited.wait(), self._grace_s):
            self._say(f"did not stop within {self._grace_s:.1f} s and is killed")

    def _say_why(self, short_lives: int) -> None:
        """Its last lines, which tell why it keeps ending, and may have scrolled away."""
        log = self._supervisor.logs.get(self._name)
        lines = list(self._last_lines) or last_lines_of(log)
        where = f" (more in {log})" if log else ""
        last = b" / ".join(line.strip()[:MAX_SHOWN_BYTES] for line in lines).decode(
            errors="replace"
        )
        self._say(
            f"has ended {short_lives} times in a row; its last lines{where}: {last or 'none'}"
        )

    def _say(self, text: str) -> None:
        self._supervisor.output.write(self._name, text.encode())
