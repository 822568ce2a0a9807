"""VAR_DIR: what `manage.py prepare` makes of what it finds there."""

import errno
import sqlite3
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.migrations.exceptions import MigrationSchemaMissing

from tradingsite.startup.database_file import damage
from tradingsite.startup.var_dir import make_private, make_secret_key, read_secret_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_of_ours_is_taken_over_for_its_owner_alone(tmp_path):
    folder = tmp_path / "var"
    (folder / "log").mkdir(parents=True)
    for name in ("db.sqlite3", "log/redis.log"):
        (folder / name).touch()
        (folder / name).chmod(0o644)
    for path in (folder, folder / "log"):
        path.chmod(0o755)
    make_private(folder)
    assert {mode(folder), mode(folder / "log")} == {0o700}
    assert {mode(folder / "db.sqlite3"), mode(folder / "log/redis.log")} == {0o600}


def test_a_new_folder_and_an_empty_one_are_private(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    for folder in (empty, tmp_path / "new" / "var"):
        make_private(folder)
        assert mode(folder) == 0o700


@pytest.mark.parametrize("of_others", [0o1777, 0o755])
def test_a_folder_of_others_keeps_its_mode(tmp_path, of_others):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "thesis.odt").touch()
    (shared / "thesis.odt").chmod(0o644)
    shared.chmod(of_others)
    make_private(shared)
    assert (mode(shared), mode(shared / "thesis.odt")) == (of_others, 0o644)


@pytest.mark.parametrize("data", [b"", bytes(50), b"half of a ke", b"\xff\xfe" * 30, b"\n"])
def test_a_damaged_secret_key_is_made_anew(tmp_path, data):
    file = tmp_path / "secret_key"
    file.write_bytes(data)
    assert read_secret_key(tmp_path) == ""
    make_secret_key(tmp_path)
    assert len(read_secret_key(tmp_path)) >= 50
    assert mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_key_that_cannot_be_read_is_none_and_is_left_alone(tmp_path):
    (tmp_path / "secret_key").mkdir()  # nothing else keeps root from reading
    assert read_secret_key(tmp_path) == ""
    with pytest.raises(OSError, match="secret_key"):
        make_secret_key(tmp_path)
    assert (tmp_path / "secret_key").is_dir()


def test_a_full_disk_leaves_no_half_of_a_secret_key(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        make_secret_key(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def in_folder(tmp_path, settings, monkeypatch):
    """VAR_DIR is the test's own folder; what is patched in it is put back."""
    settings.VAR_DIR = tmp_path
    settings.ADMIN_PASSWORD_FILE = tmp_path / "admin_password"
    return monkeypatch


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("step", "failure", "told"),
    [
        ("make_private", OSError(errno.EROFS, "Read-only file system"), "VAR_DIR="),
        ("call_command", OperationalError("database or disk is full"), "DATABASE_URL: "),
        ("call_command", MigrationSchemaMissing("no table (disk is full)"), "DATABASE_URL: "),
        ("make_first_admin", OSError(errno.ENOSPC, "No space left on device"), "VAR_DIR="),
        ("make_first_admin", OperationalError("database or disk is full"), "DATABASE_URL: "),
    ],
)
def test_prepare_tells_in_one_line_what_it_cannot_write(in_folder, step, failure, told):
    def fails(*_, **__):
        raise failure

    in_folder.setattr(f"tradingsite.management.commands.prepare.{step}", fails)
    with pytest.raises(CommandError) as refused:
        call_command("prepare")
    line = str(refused.value)
    assert line.startswith(told)
    assert str(failure) in line


@pytest.fixture
def database(tmp_path):
    file = tmp_path / "db.sqlite3"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
    connection.executemany(
        "INSERT INTO orders (text) VALUES (?)", [(f"{n:0900}",) for n in range(99)]
    )
    connection.commit()
    connection.close()
    return file


def test_a_good_database_is_not_complained_of(database, tmp_path):
    assert damage(database, in_use=True) is None
    assert damage(tmp_path / "none", in_use=True) is None


def test_what_a_killed_process_left_is_no_damage(database):
    for end in ("-wal", "-shm", "-journal"):
        database.with_name(f"{database.name}{end}").write_bytes(bytes(5000))
    assert damage(database, in_use=True) is None


@pytest.mark.parametrize("how", ["empty", "zeroed", "page", "cut"])
def test_a_damaged_database_is_told_and_left_alone(database, how):
    data = database.read_bytes()
    damaged = {
        "empty": b"",
        "zeroed": bytes(len(data)),
        "page": data[:8192] + bytes(8192) + data[16384:],
        "cut": data[:20_000],
    }[how]
    database.write_bytes(damaged)
    said = damage(database, in_use=True)
    assert said is not None
    assert "\n" not in said
    assert f"the database {database} is damaged" in said
    assert "Restore a backup" in said
    assert database.read_bytes() == damaged


def test_an_empty_file_is_a_new_database_where_nothing_was_prepared(tmp_path):
    file = tmp_path / "db.sqlite3"
    file.touch()
    assert damage(file, in_use=False) is None
