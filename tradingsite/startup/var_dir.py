"""VAR_DIR and the secret key in it: made by `manage.py prepare`, only read by everything else."""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import structlog
from django.core.management.utils import get_random_secret_key

KEY_FILE = "secret_key"
KEY = re.compile(r"[!-~]{50,}")
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
OURS = {KEY_FILE, "launcher.lock", "db.sqlite3", "redis.sock"}
logger = structlog.get_logger(__name__)


def make_private(folder: Path) -> None:
    """Make the folder, or take one over that is empty or was ours, for its owner alone.

    One that holds other people's things keeps its mode, as `/tmp` must, and so do they.
    """
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    names = {path.name for path in folder.iterdir()}
    if (names and not names & OURS) or folder.stat().st_mode & stat.S_ISVTX:
        return
    for path in (folder, *folder.rglob("*")):
        with suppress(OSError):  # gone meanwhile, or another's
            _make_private(path)


def _make_private(path: Path) -> None:
    found = path.lstat().st_mode
    if stat.S_ISDIR(found) and found & 0o077:
        path.chmod(PRIVATE_FOLDER)
    elif stat.S_ISREG(found) and found & 0o077:
        path.chmod(PRIVATE_FILE)


def make_secret_key(folder: Path) -> None:
    """Make Django's secret key in `folder`, readable by its owner alone, unless there is one.

    Two processes that do so at once agree on one key. A damaged one is made anew. Raises OSError
    where it cannot be read or made.
    """
    path = folder / KEY_FILE
    if _key_in(path):
        return
    if path.exists():
        logger.warning("secret_key.damaged", file=str(path), remedy="made anew: all sessions end")
        path.unlink(missing_ok=True)
    draft = folder / f"{KEY_FILE}.{os.getpid()}"
    try:
        draft.touch(0o600)
        draft.write_text(get_random_secret_key())
        with suppress(FileExistsError):  # somebody else was faster: theirs counts
            path.hardlink_to(draft)  # whole or not at all
    finally:
        draft.unlink(missing_ok=True)


def read_secret_key(folder: Path) -> str:
    """The key in `folder`; empty where none was made yet, or what is there can be none or cannot
    be read.
    """
    try:
        return _key_in(folder / KEY_FILE)
    except OSError:
        return ""


def _key_in(path: Path) -> str:
    try:
        key = path.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return key if KEY.fullmatch(key) else ""
