import socket

import pytest

from launcher.preflight import CannotStart, check_ports, lock
from tests.servers import free_port


def test_two_systems_cannot_share_a_folder(tmp_path):
    with lock(tmp_path), pytest.raises(CannotStart) as refused:
        lock(tmp_path)
    assert f"VAR_DIR={tmp_path} is in use" in refused.value.why
    assert refused.value.code == 2


def test_a_folder_is_free_again_when_its_system_is_gone(tmp_path):
    lock(tmp_path).close()
    lock(tmp_path).close()


def test_a_lock_that_is_a_folder_is_named_with_what_helps(tmp_path):
    (tmp_path / "launcher.lock").mkdir()
    with pytest.raises(CannotStart) as refused:
        lock(tmp_path)
    assert refused.value.why == (
        f"{tmp_path / 'launcher.lock'} cannot be opened (Is a directory): make it writable, or"
        " remove it"
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart) as refused:
        lock(tmp_path / "file" / "var")
    assert f"{tmp_path / 'file' / 'var'} cannot be made (Not a directory)" in refused.value.why


def test_free_ports_are_no_obstacle():
    check_ports({"PORT": ("127.0.0.1", free_port()), "WS_PORT": ("127.0.0.1", free_port())})


def test_a_taken_port_is_named_with_its_variable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart) as refused:
            check_ports({"WS_PORT": ("127.0.0.1", port)})
    assert refused.value.why.startswith(f"WS_PORT={port} cannot be listened on")


def test_one_port_cannot_serve_two_purposes():
    port = free_port()
    with pytest.raises(CannotStart) as refused:
        check_ports({"PORT": ("127.0.0.1", port), "WS_PORT": ("127.0.0.1", port)})
    assert refused.value.why.startswith(f"WS_PORT={port} is PORT too")


@pytest.mark.parametrize("bind", ["no.such.host.invalid", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_refused(bind):
    with pytest.raises(CannotStart) as refused:
        check_ports({"PORT": (bind, free_port())})
    assert bind in refused.value.why
