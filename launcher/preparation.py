"""`manage.py prepare`, by a process that first tells the launcher its settings.

Loading Django takes longer than all else here, so it is loaded once for both, and not at all by
the launcher, which stays small. The process (`python -m launcher.preparation`) prints the settings
and waits for a line before it changes anything. Settings that cannot be used end it with a message
on standard error.
"""

import asyncio
import contextlib
import os
import runpy
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import cast

from launcher.configuration import Configuration, as_json
from launcher.output import Output
from launcher.parent_death import stop_with_this_process
from launcher.procfile import ROOT

NAME = "prepare"
MAX_LINE = 2**20  # bytes


class Preparation:
    """The launcher's end of it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._input = cast(asyncio.StreamWriter, process.stdin)
        self._output = cast(asyncio.StreamReader, process.stdout)

    @classmethod
    async def start(cls) -> "Preparation":
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "launcher.preparation"),
                cwd=ROOT,
                stdin=PIPE,
                stdout=PIPE,
                limit=MAX_LINE,
                start_new_session=True,
                preexec_fn=stop_with_this_process(),
            )
        )

    async def configuration(self) -> Configuration | None:
        """None where the settings cannot be used: the process has said why, and `returncode`
        is the launcher's own.
        """
        line = await self._output.readline()
        return Configuration.from_json(line) if line else None

    async def finish(self, output: Output) -> int:
        """Let it prepare the database; its exit code."""
        self._input.write(b"\n")
        async for line in self._output:
            output.write(NAME, line)
        return await self._process.wait()

    async def returncode(self) -> int:
        return await self._process.wait()

    async def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


def main() -> None:
    from tradingsite import settings

    sys.stdout.write(f"{as_json(settings)}\n")
    sys.stdout.flush()
    if sys.stdin.readline():
        sys.argv = ["manage.py", "prepare"]
        runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
        _exit_at_once()


def _exit_at_once() -> None:
    """The launcher waits for this, and Python takes its time to clear away all of Django."""
    from django.db import connections

    connections.close_all()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
