"""Readiness of the site: the lines that say what to open and how to log in, once it listens."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from launcher.configuration import Configuration

CONNECTS_WITHIN_S = 0.5
LOOK_EVERY_S = 0.2
COMPLAIN_EVERY_S = 20.0
STARTED = time.time()  # a password made since then is shown, this once
UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not bound to)


async def listens(host: str, port: int) -> bool:
    """True where a connection is accepted there."""
    try:
        async with asyncio.timeout(CONNECTS_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def announce_when_ready(configuration: Configuration, say: Callable[[str], None]) -> None:
    """Look until the site listens on both ports, then `say` where it is and how to log in."""
    host = UNSPECIFIED.get(configuration.bind, configuration.bind)
    ports = (configuration.port, configuration.ws_port)
    complain_at = time.monotonic() + COMPLAIN_EVERY_S
    while not all([await listens(host, port) for port in ports]):
        if time.monotonic() > complain_at:
            complain_at += COMPLAIN_EVERY_S
            logs = Path(configuration.var_dir, "log")
            say(f"the site is not up yet; what is wrong stands above, or in {logs}")
        await asyncio.sleep(LOOK_EVERY_S)
    for line in ("", *welcome(configuration, host), ""):
        say(line)


def welcome(configuration: Configuration, host: str) -> list[str]:
    """The lines that say what to open and how to log in."""
    place = f"[{host}]" if ":" in host else host
    url = f"http://{place}:{configuration.port}/"
    return [
        f"Dashboard  {url}",
        f"Admin      {url}admin/  ({_login(Path(configuration.admin_password_file))})",
        f"API        {url}docs",
        "Ctrl+C stops everything.",
    ]


def _login(password: Path) -> str:
    if not password.exists():
        return "log in as a staff user of yours"
    if password.stat().st_mtime < STARTED:
        return f"user admin, password as first set in {password}"
    return f"user admin, password {password.read_text().strip()}, kept in {password}"
