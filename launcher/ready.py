"""Tells the terminal when the page can be opened, or what is not there yet."""

import socket
import time
from collections.abc import Callable

from tradingsite import settings

LOOK_EVERY = 0.2  # seconds, likewise below
COMPLAIN_EVERY = 20.0
STARTED = time.time()  # a password made since then is shown, this once
UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not bound to)


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def announce_when_ready(say: Callable[[str], None]) -> None:
    """Look until the site listens on both ports, then `say` where it is and how to log in."""
    host = UNSPECIFIED.get(settings.BIND, settings.BIND)
    complain_at = time.monotonic() + COMPLAIN_EVERY
    while not (listens(host, settings.PORT) and listens(host, settings.WS_PORT)):
        if time.monotonic() > complain_at:
            complain_at += COMPLAIN_EVERY
            logs = settings.VAR_DIR / "log"
            say(f"the site is not up yet; what is wrong stands above, or in {logs}\n")
        time.sleep(LOOK_EVERY)
    for line in ("", *welcome(host), ""):
        say(f"{line}\n")


def welcome(host: str) -> list[str]:
    """The lines that say what to open and how to log in."""
    place = f"[{host}]" if ":" in host else host
    url = f"http://{place}:{settings.PORT}/"
    return [
        f"Dashboard  {url}",
        f"Admin      {url}admin/  ({_login()})",
        f"API        {url}docs",
        "Ctrl+C stops everything.",
    ]


def _login() -> str:
    password = settings.ADMIN_PASSWORD_FILE
    if not password.exists():
        return "log in as a staff user of yours"
    if password.stat().st_mtime < STARTED:
        return f"user admin, password as first set in {password}"
    return f"user admin, password {password.read_text().strip()}, kept in {password}"
