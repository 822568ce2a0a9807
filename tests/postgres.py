"""A PostgreSQL of the tests' own, from the installed programs, in a temporary folder."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers import HANG_S, Server, free_port

UNSAFE_BUT_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


def programs() -> Path | None:
    """The folder that holds `initdb` and `postgres`, the newest of several."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders = sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    found = shutil.which("initdb")
    if found:
        folders.insert(0, Path(found).resolve().parent)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def as_owner() -> list[str]:
    """What to put before a command: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = _other_user()
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # A change of user forgets what `stop_with_parent` asked for.
    return ["setpriv", *ids, "--pdeathsig=INT"]


def _other_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextlib.contextmanager
def new_database(url: str) -> Iterator[str]:
    """The URL of a new database in the cluster of `url`, dropped at the end."""
    name = f"site_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"{url.rpartition('/')[0]}/{name}"
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        connection.execute(drop)


class Postgres(Server):
    """A cluster with the database `postgres`, reached on a port of loopback.

    Starting again in the same folder, on the same port, finds its data: all that was committed
    before it was killed where it is a `durable` one.
    """

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = False) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"postgres://trading@127.0.0.1:{self.port}/postgres"
        bin_folder = programs()
        if bin_folder is None:
            raise SystemExit("TEST_DATABASE=postgres: no PostgreSQL programs are installed")
        if not (folder / "data").exists():
            self._create(bin_folder)
        chosen = UNSAFE_BUT_FAST | ({"synchronous_commit": "on"} if durable else {})
        options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        super().__init__(
            [*as_owner(), str(bin_folder / "postgres"), "-D", str(folder / "data"),
             "-k", str(folder), "-p", str(self.port), "-h", "127.0.0.1", *options],
            folder.with_name("postgres.log"),
        )  # fmt: skip
        self.await_ready(self._accepts)

    def _accepts(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url):
            return True
        return False

    def _create(self, bin_folder: Path) -> None:
        self.folder.mkdir(mode=0o755)
        if as_owner():
            owner = _other_user()
            # The other user has to get through the temporary folder, which is ours alone.
            self.folder.parent.chmod(0o711)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        initdb = [str(bin_folder / "initdb"), "-D", str(self.folder / "data"), "-U", "trading"]
        subprocess.run(
            [*as_owner(), *initdb, "--no-sync", "-E", "UTF8", "--locale=C", "-A", "trust"],
            cwd=self.folder, check=True, capture_output=True, text=True,
        )  # fmt: skip

    def stop(self, by: signal.Signals = signal.SIGINT, seconds: float = HANG_S) -> int:
        """A fast shutdown: SIGINT does not wait for open connections."""
        return super().stop(by, seconds)


if __name__ == "__main__":
    if programs() is None:
        raise SystemExit("skipped: no PostgreSQL programs (initdb, postgres) are installed")
