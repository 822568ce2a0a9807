"""Preflight checks: one system a folder, and its ports free."""

import fcntl
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO


class CannotStart(SystemExit):
    """Ends the launcher with one line on standard error and exit code 2."""

    def __init__(self, why: str) -> None:
        super().__init__(2)
        self.why = why


def make_folder(folder: Path) -> None:
    """A folder for its owner alone, made where there is none. Raises CannotStart."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"VAR_DIR: {folder} cannot be made ({error.strerror}): make room, or choose another"
        ) from None


def lock(folder: Path) -> TextIO:
    """Lock of the folder, held while the file is open here or in a process that it was passed to.

    The folder is made if it isn't there. Raises CannotStart where another system holds it.
    """
    make_folder(folder)
    try:
        file = (folder / "launcher.lock").open("a+", errors="replace")
    except OSError as error:
        raise CannotStart(
            f"{folder / 'launcher.lock'} cannot be opened ({error.strerror}): make it writable, or"
            " remove it"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise CannotStart(
            f"VAR_DIR={folder} is in use by the system with process id {file.read().strip()}: "
            "stop that, or choose another VAR_DIR, PORT, WS_PORT and SANDBOX_PORT"
        ) from None
    try:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    except OSError as error:
        raise CannotStart(
            f"VAR_DIR={folder} cannot be written to ({error.strerror}): make room there"
        ) from None
    return file


def check_ports(bind: Mapping[str, tuple[str, int]]) -> None:
    """Raises CannotStart where an address, by its variable, is taken or cannot be had."""
    seen: dict[int, str] = {}
    for name, (host, port) in bind.items():
        if port in seen:
            raise CannotStart(f"{name}={port} is {seen[port]} too: choose another for one of them")
        seen[port] = name
        _check_port(name, host, port)


def _check_port(name: str, host: str, port: int) -> None:
    try:
        family, kind, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CannotStart(f"BIND={host!r} is not an address: {error.strerror}") from None
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise CannotStart(
                f"{name}={port} cannot be listened on at {host} ({error.strerror}): "
                f"stop what is there, or choose another {name}"
            ) from None
