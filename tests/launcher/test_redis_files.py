"""Redis after a power cut: what its files may look like then, and what becomes of it."""

import shutil
import sys
from pathlib import Path

import pytest
import redis

from launcher import redis_server
from launcher.redis_files import DataFiles
from tests.servers import HANG_S, Redis, Server

KEYS = 200
MANIFEST = "appendonly.aof.manifest"
BASE, INCREMENT = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"


@pytest.fixture
def folder(own_folder: Path) -> Path:
    """The folder of a server that was killed with KEYS written."""
    server = Redis(own_folder)
    with redis.Redis.from_url(server.url) as client:
        for number in range(KEYS):
            client.set(f"key{number}", "value" * 10)
    server.kill()
    return own_folder


def repair(folder: Path) -> str | None:
    return DataFiles(redis_server.program(), folder).repair()


def keys_after_a_start(folder: Path) -> tuple[int, str]:
    """How many keys a server finds that starts there as `make run` starts it, and what it said."""
    socket, log = folder / "redis.sock", folder / "redis.log"
    words = [sys.executable, "-m", "launcher.redis_server", str(socket), str(folder), str(log)]
    server = Server(words, folder / "terminal.log")
    url = f"unix://{socket}"

    def answers() -> bool:
        try:
            with redis.Redis.from_url(url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    server.await_ready(answers, HANG_S)
    with redis.Redis.from_url(url) as client:
        count = client.dbsize()
    server.stop()
    return count, server.text()


def damage(folder: Path, name: str, how: str) -> Path:
    file = folder / "appendonlydir" / name
    data = file.read_bytes()
    match how:
        case "cut":
            file.write_bytes(data[: len(data) - 7])
        case "zeros at the end":
            file.write_bytes(data + bytes(4096))
        case "zeroed end":
            file.write_bytes(data[:-300] + bytes(300))
        case "zeroed":
            file.write_bytes(bytes(len(data)))
        case "zeroed in the middle":
            file.write_bytes(data[:3000] + bytes(100) + data[3100:])
        case "empty":
            file.write_bytes(b"")
        case "missing":
            file.unlink()
    return file


def test_good_files_are_left_alone_without_a_word(folder):
    before = {file: file.read_bytes() for file in (folder / "appendonlydir").iterdir()}
    assert repair(folder) is None
    assert {file: file.read_bytes() for file in (folder / "appendonlydir").iterdir()} == before


@pytest.mark.parametrize("how", ["cut", "zeros at the end", "zeroed end", "zeroed in the middle"])
def test_a_damaged_end_is_cut_off_kept_and_told(folder, how):
    damaged = damage(folder, INCREMENT, how).read_bytes()
    count, said = keys_after_a_start(folder)
    kept = next((folder / "appendonlydir").glob("*.damaged-*"))
    assert kept.read_bytes() == damaged
    assert f"{INCREMENT} was damaged" in said
    assert f"kept as {kept}" in said
    assert 0 < count <= KEYS
    assert (count == KEYS) == (how == "zeros at the end")


@pytest.mark.parametrize("name", [BASE, MANIFEST])
@pytest.mark.parametrize("how", ["cut", "zeroed", "empty", "missing"])
def test_what_cannot_be_repaired_is_set_aside(folder, name, how):
    damage(folder, name, how)
    shutil.copytree(folder / "appendonlydir", folder / "copy")
    count, said = keys_after_a_start(folder)
    assert count == 0
    kept = next(folder.glob("appendonlydir.damaged-*"))
    assert f"data set aside in {kept}" in said
    assert sorted(file.name for file in kept.iterdir()) == sorted(
        file.name for file in (folder / "copy").iterdir()
    )


@pytest.mark.parametrize("how", ["zeroed", "missing"])
def test_without_what_was_appended_it_starts_too(folder, how):
    damage(folder, INCREMENT, how)
    count, said = keys_after_a_start(folder)
    assert count == 0
    assert "catches up from exchange and database" in said


def test_an_empty_file_of_appended_writes_is_no_damage(folder):
    damage(folder, INCREMENT, "empty")
    assert keys_after_a_start(folder) == (0, "")


def test_a_broken_dump_beside_it_does_no_harm(folder):
    (folder / "dump.rdb").write_bytes(bytes(100))
    assert keys_after_a_start(folder) == (KEYS, "")


def test_damage_on_a_full_disk_is_told_and_nothing_changed(folder, monkeypatch):
    file = damage(folder, INCREMENT, "zeros at the end")
    damaged = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        repair(folder)
    assert file.read_bytes() == damaged


def test_two_damages_in_one_second_are_both_kept(folder):
    for _ in range(2):
        damage(folder, INCREMENT, "zeros at the end")
        assert repair(folder)
    assert len(list((folder / "appendonlydir").glob("*.damaged-*"))) == 2
    assert keys_after_a_start(folder)[0] == KEYS
