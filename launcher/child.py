"""A running command: its lines as they come, its end, and the end of all that it started."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from launcher.parent_death import stop_with_this_process

MAX_LINE = 2**20  # bytes; a longer one is cut
Receiver = Callable[[bytes], None]


class Lines:
    """Whole lines out of pieces of text, without their ends."""

    def __init__(self, receive: Receiver) -> None:
        self._receive = receive
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._receive(line)
        if len(self._rest) > MAX_LINE:
            self.end()

    def end(self) -> None:
        """Hand over the rest, a line that never ended."""
        if self._rest:
            self._receive(self._rest)
        self._rest = b""


class Child(asyncio.SubprocessProtocol):
    """A shell command in a process group of its own. `exited` is set when it has ended, `closed`
    when nobody holds its output any more.
    """

    def __init__(self, receive: Receiver) -> None:
        self.exited, self.closed = asyncio.Event(), asyncio.Event()
        self._lines = Lines(receive)

    @classmethod
    async def start(
        cls,
        command: str,
        receive: Receiver,
        *,
        folder: Path,
        environment: Mapping[str, str],
        keep_open: Sequence[int] = (),
    ) -> "Child":
        """Start it in the folder. Its standard error goes with its output; the descriptors in
        `keep_open` stay open in it.
        """
        _, child = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(receive),
            # The shell gives way to the command itself, so that signals reach the right process.
            *("sh", "-c", f"exec {command}"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env=environment,
            pass_fds=keep_open,
            start_new_session=True,
            preexec_fn=stop_with_this_process(),
        )
        return child

    @property
    def pid(self) -> int:
        """The process's id, and its group's."""
        return self._transport.get_pid()

    @property
    def returncode(self) -> int | None:
        return self._transport.get_returncode()

    def terminate(self) -> None:
        """SIGTERM, for the command itself to stop what it has started."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill_group(self) -> None:
        """SIGKILL for it and what it has started, which stays in its group when it has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Read no more of its output, whoever may hold it still."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, _: int, data: bytes) -> None:
        self._lines.feed(data)

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._lines.end()
        self.closed.set()
