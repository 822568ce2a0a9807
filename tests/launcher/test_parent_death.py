"""A launcher that is killed outright takes all that it started with it."""

import sys
from pathlib import Path

import pytest

from launcher.preflight import CannotStart, lock
from tests.launcher.conftest import DEAF, Shell
from tests.servers import PYTHON, Server, eventually, runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a signal of Linux")
LAUNCHER = """
import asyncio, os, sys
from pathlib import Path
from launcher import parent_death
from launcher.output import Output
from launcher.preflight import lock
from launcher.supervisor import Supervisor

async def main(folder, name, command):
    supervisor = Supervisor(
        Output(1, [name]), folder=folder, environment=os.environ, keep_open=[held.fileno()]
    )
    async with supervisor.running({name: command}, killed_after_s=600):
        await asyncio.Event().wait()

folder = Path(sys.argv[1])
with lock(folder) as held:
    asyncio.run(main(folder, *sys.argv[2:]))
"""


class Launcher(Server):
    """Supervises one shell command."""

    def __init__(self, folder: Path, process: Shell) -> None:
        command = [PYTHON, "-c", LAUNCHER, str(folder), process.name]
        command += process.commands.values()
        super().__init__(command, folder / "terminal")
        self.await_ready(lambda: process.is_alive() and "started" in self.text())

    def kill_alone(self) -> None:
        self.process.kill()
        self.process.wait()


def test_what_it_started_is_asked_to_stop(tmp_path, shell):
    process = shell("first", traps="trap 'touch asked; exit' TERM")
    Launcher(tmp_path, process).kill_alone()
    assert eventually((tmp_path / "asked").exists)
    assert eventually(lambda: not process.is_alive())


def test_what_does_not_obey_is_killed_and_holds_the_lock_till_then(tmp_path, shell):
    process = shell("first", traps=DEAF)
    Launcher(tmp_path, process).kill_alone()
    with pytest.raises(CannotStart):
        lock(tmp_path)
    assert eventually(lambda: not process.is_alive())
    lock(tmp_path).close()


def test_what_an_obedient_process_leaves_behind_is_killed(tmp_path, shell):
    note = tmp_path / "grandchild"
    process = shell("first", f"sleep 600 & echo $! > {note}; wait")
    launcher = Launcher(tmp_path, process)
    assert eventually(lambda: note.exists() and note.read_text().strip())
    launcher.kill_alone()
    assert eventually(lambda: not runs(int(note.read_text())))
