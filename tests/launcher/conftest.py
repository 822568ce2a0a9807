"""A supervisor of little shell commands, and what it wrote."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from launcher import supervisor as supervision
from launcher.output import Output
from launcher.supervisor import Supervisor
from tests.servers import HANG_S, runs

HANGS_AFTER_S = HANG_S
SLEEPS = "while :; do sleep 0.05; done"  # a shell minds its traps between two commands
DEAF = "trap '' TERM"


async def until(happened: Callable[[], object]) -> None:
    """Wait for it; TimeoutError where it never comes."""
    deadline = time.monotonic() + HANGS_AFTER_S
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.02)


class Shell:
    """A shell command that sets its traps, notes its process id at each start, and goes on."""

    def __init__(self, folder: Path, name: str, script: str, traps: str) -> None:
        self.name, self._starts = name, folder / f"{name}.starts"
        self._starts.touch()
        file = folder / f"{name}.sh"
        file.write_text(f"{traps}\necho $$ >> {self._starts}\n{script}\n")
        self.commands = {name: f"sh {file}"}

    def pids(self) -> list[int]:
        return [int(line) for line in self._starts.read_text().splitlines()]

    def is_alive(self) -> bool:
        return bool(self.pids()) and runs(self.pids()[-1])


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Shell]:
    def build(name: str, script: str = SLEEPS, traps: str = "") -> Shell:
        return Shell(tmp_path, name, script, traps)

    return build


@pytest.fixture
def terminal(tmp_path: Path) -> Path:
    """The file that the supervisor's output goes to."""
    return tmp_path / "terminal"


@pytest.fixture
def supervisor(
    tmp_path: Path, terminal: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervision, "MIN_PAUSE_S", 0.01)
    with terminal.open("wb") as file:
        output = Output(file.fileno(), ["first", "second", "third"])
        with (
            closing(output),
            closing(Supervisor(output, folder=tmp_path, environment=os.environ)) as built,
        ):
            yield built
