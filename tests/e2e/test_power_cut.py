"""The whole system after a power cut: whatever lies in its folder then, it starts and goes on."""

import json
import os
import signal
from contextlib import suppress

import pytest

from tests.launched import HANGS_AFTER_S, Launched
from tests.servers import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(4 * HANGS_AFTER_S)]


def cut_power(system: Launched) -> None:
    """SIGKILL for all at once."""
    pids = [system.pid, *system.processes()]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    system.process.wait()
    assert eventually(lambda: not system.processes(), HANGS_AFTER_S)


def test_it_starts_with_files_that_a_power_cut_left(own_folder):
    first = Launched(own_folder)
    first.await_healthy()
    cut_power(first)
    key = (own_folder / "secret_key").read_text()
    appended = next((own_folder / "redis" / "appendonlydir").glob("*.incr.aof"))
    appended.write_bytes(appended.read_bytes()[:-100] + bytes(4096))
    (own_folder / "secret_key").write_bytes(b"")
    (own_folder / "launcher.lock").write_bytes(b"\xff" * 20)
    (own_folder / "celerybeat-schedule").write_bytes(bytes(16384))
    (own_folder / "trades.jsonl").write_bytes(b'{"time": "2026-11-28T0' + bytes(100))

    again = Launched(own_folder)
    again.await_healthy()
    said = again.text()
    assert f"{appended.name} was damaged: its last " in said
    assert "the system catches up from exchange and database" in said
    assert "secret_key.damaged" in said
    assert (own_folder / "secret_key").read_text() not in {"", key}
    assert list((own_folder / "redis" / "appendonlydir").glob("*.damaged-*"))
    again.stop()
    lines = (own_folder / "trades.jsonl").read_bytes().split(b"\n")
    assert all(json.loads(line) for line in lines[1:] if line)


def test_a_damaged_database_ends_the_start_with_one_line(own_folder):
    (own_folder / "admin_password").write_text("of an earlier life\n")
    (own_folder / "db.sqlite3").write_bytes(bytes(8192))
    refused = Launched(own_folder)
    assert refused.process.wait(HANGS_AFTER_S) == 1
    assert refused.text().count("is damaged") == 1
    assert "Restore a backup" in refused.text()
    assert (own_folder / "db.sqlite3").read_bytes() == bytes(8192)
