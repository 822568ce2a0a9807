"""Settings from the environment: read once, checked at once.

A wrong value ends the process with one line that names the variable, its value and what is
allowed; no default silently takes its place.
"""

import os
import re
from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from foundation.decimals import is_bounded

T = TypeVar("T")
TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d+)?/?", re.IGNORECASE | re.ASCII)

SYMBOL = re.compile(r"\w{2,30}")


class BadSetting(SystemExit):
    """A setting nobody can work with. Ends the process with its text and no traceback."""

    def __init__(self, name: str, value: str, allowed: str) -> None:
        super().__init__(f"{name}={value!r} cannot be used: {allowed}")


def env_str(name: str, default: str = "") -> str:
    """The variable without outer blanks; an empty one counts as unset."""
    return os.environ.get(name, "").strip() or default


def is_set(name: str) -> bool:
    return bool(env_str(name))


def _parsed(name: str, default: str, parse: Callable[[str], T], allowed: str) -> T:
    text = env_str(name, default)
    try:
        return parse(text)
    except (ValueError, InvalidOperation):
        raise BadSetting(name, text, allowed) from None


def _bool(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(text)


def env_bool(name: str, *, default: bool) -> bool:
    return _parsed(name, str(default), _bool, "use true or false")


def env_int(name: str, default: int, *, least: int, most: int) -> int:
    def within(text: str) -> int:
        if not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return _parsed(name, str(default), within, f"use a whole number from {least} to {most}")


def env_decimal(name: str, default: str, *, above: str, below: str) -> Decimal:
    """An exact decimal strictly between `above` and `below`."""

    def within(text: str) -> Decimal:
        value = Decimal(text)
        if not (is_bounded(value) and Decimal(above) < value < Decimal(below)):
            raise ValueError(text)
        return value

    return _parsed(name, default, within, f"use a number above {above} and below {below}")


def env_limit(name: str, default: str, *, below: str) -> Decimal:
    """An exact decimal from 0, which switches the limit off, to just below `below`."""

    def within(text: str) -> Decimal:
        value = Decimal(text)
        if not (is_bounded(value) and 0 <= value < Decimal(below)):
            raise ValueError(text)
        return value

    return _parsed(name, default, within, f"use 0 (no limit) or a number below {below}")


def env_list(name: str, default: str, *, among: Collection[str] | None = None) -> list[str]:
    """Comma-separated words, each once, in the order given; at least one."""

    def words(text: str) -> list[str]:
        found = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
        if not found or (among is not None and not set(found) <= set(among)):
            raise ValueError(text)
        return found

    known = f" of {', '.join(among)}" if among is not None else ""
    return _parsed(name, default, words, f"use a comma-separated list{known}")


def env_symbols(name: str, default: str) -> list[str]:
    """Names of symbols in upper case, each once, in the order given."""

    def names(text: str) -> list[str]:
        found = list(dict.fromkeys(word.strip().upper() for word in text.split(",")))
        found = [name for name in found if name]
        if not found or not all(map(SYMBOL.fullmatch, found)):
            raise ValueError(text)
        return found

    return _parsed(name, default, names, "use a comma-separated list, as BTCUSDT,ETHUSDT")


def env_files(name: str, folder: Path) -> list[Path]:
    """Comma-separated files that exist, none by default; relative ones lie in `folder`."""
    if not is_set(name):
        return []
    files = [folder / file for file in env_list(name, "")]
    for file in files:
        if not file.is_file():
            raise BadSetting(name, env_str(name), f"there is no file {file}")
    return files


def env_folder(name: str, default: Path) -> Path:
    """A folder that is there, or can be made, and can be written to. Nothing is made here."""
    folder = Path(env_str(name, str(default))).resolve()
    nearest = next(path for path in (folder, *folder.parents) if _is_there(path))
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise BadSetting(name, str(folder), f"use a folder to write to ({nearest} is none)")
    return folder


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # it lies in a folder that we may not look into
        return False


def env_networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    """Comma-separated IP addresses and networks, none by default."""

    def networks(text: str) -> list[IPv4Network | IPv6Network]:
        return [ip_network(word.strip()) for word in text.split(",") if word.strip()]

    return _parsed(name, default, networks, "use IP addresses or networks, as 127.0.0.1,10.0.0.0/8")


def env_origin(name: str) -> str:
    """An address of a site, as https://trading.example:8443, without path and last slash; empty
    where there is none.
    """
    url = env_checked(name, "", _origin_error).rstrip("/").lower()
    usual = ":443" if url.startswith("https:") else ":80"
    return url.removesuffix(usual)  # browsers leave it out


def _origin_error(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not url or (host and ORIGIN.fullmatch(url)):
        return None
    return "give scheme and host as browsers see them, as https://trading.example[:8443]"


def env_checked(name: str, default: str, check: Callable[[str], str | None]) -> str:
    """A text that `check` finds nothing wrong with; it answers what is, in a few words."""
    text = env_str(name, default)
    wrong = check(text)
    if wrong:
        raise BadSetting(name, text, wrong)
    return text
