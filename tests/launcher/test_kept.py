"""Kept processes, run as the launcher runs them: each in a fork, telling honcho's queue."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import kept
from launcher.kept import KeptProcess
from tests.servers import HANG_S, eventually, runs

fork = multiprocessing.get_context("fork")
STUBBORN = "trap '' TERM; "


class Kept:
    """A shell that writes its process id and a line a start to `folder`, kept alive."""

    def __init__(self, folder: Path, script: str = "", outlives: tuple["Kept", ...] = ()) -> None:
        self.starts = folder / f"starts-{len(list(folder.iterdir()))}"
        self.starts.touch()
        body = f"{script} echo $$ >> {self.starts}; while :; do sleep 0.1; done"
        process = KeptProcess(f'sh -c "{body}"'.replace("$", "\\$"), name="kept")
        process.gone = fork.Event()
        process.outlives = tuple(other.gone for other in outlives)
        self.gone, self.events = process.gone, fork.Queue()
        self.runner = fork.Process(target=process.run, args=(self.events, True))
        self.runner.start()

    def pids(self) -> list[int]:
        return [int(line) for line in self.starts.read_text().split()]

    def is_alive(self) -> bool:
        return bool(self.pids()) and runs(self.pids()[-1])


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(kept, "GRACE", 0.5)


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[type]:
    started: list[Kept] = []

    def start(*arguments: object, **options: object) -> Kept:
        started.append(Kept(tmp_path, *arguments, **options))  # type: ignore[arg-type]
        assert eventually(started[-1].is_alive)
        return started[-1]

    yield start
    for one in started:
        one.runner.terminate()
        one.runner.join(HANG_S)
        assert not one.is_alive()


def test_who_is_killed_comes_back(keep):
    shell = keep()
    (first,) = shell.pids()
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: len(shell.pids()) == 2)


def test_who_is_asked_to_stop_stays_away(keep):
    shell = keep()
    shell.runner.terminate()
    shell.runner.join(HANG_S)
    assert not shell.is_alive()
    assert shell.gone.is_set()
    assert len(shell.pids()) == 1


def test_who_does_not_obey_is_killed(keep):
    shell = keep(STUBBORN)
    shell.runner.terminate()
    assert shell.gone.wait(HANG_S)
    assert not shell.is_alive()


def test_a_child_s_own_children_go_with_it(keep, tmp_path):
    note = tmp_path / "grandchild"
    shell = keep(f"sleep 60 & echo $! > {note};")
    grandchild = int(note.read_text())
    os.kill(shell.pids()[0], signal.SIGKILL)
    assert eventually(lambda: len(shell.pids()) == 2)
    assert not runs(grandchild)


def test_who_outlives_another_stops_after_it(keep):
    first = keep(STUBBORN)
    last = keep(outlives=(first,))
    last.runner.terminate()
    time.sleep(0.5)
    assert last.is_alive()
    first.runner.terminate()
    assert last.gone.wait(HANG_S)
    assert first.gone.is_set()


def test_all_goes_with_a_killed_launcher(keep, tmp_path):
    """A fork in the launcher's place starts the runner and is killed outright."""
    noted = tmp_path / "starts-0"

    def launch() -> None:
        Kept(tmp_path)
        time.sleep(60)

    launcher = fork.Process(target=launch)
    launcher.start()
    assert eventually(lambda: noted.exists() and noted.read_text().strip())
    child = int(noted.read_text())
    launcher.kill()
    launcher.join()
    assert eventually(lambda: not runs(child))
