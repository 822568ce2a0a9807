"""VAR_DIR and the secret key in it: made by `manage.py prepare`, only read by everything else."""

import os
import time
from contextlib import suppress
from pathlib import Path

import structlog
from django.core.management.utils import get_random_secret_key

KEY_FILE = "secret_key"
POLL_S = 0.5
logger = structlog.get_logger(__name__)


def make_secret_key(folder: Path) -> None:
    """Make Django's secret key in `folder`, readable by its owner alone, unless there is one.

    Two processes that do so at once agree on one key.
    """
    path = folder / KEY_FILE
    if path.exists():
        return
    draft = folder / f"{KEY_FILE}.{os.getpid()}"
    draft.touch(0o600)
    draft.write_text(get_random_secret_key())
    with suppress(FileExistsError):  # somebody else was faster: theirs counts
        path.hardlink_to(draft)  # whole or not at all
    draft.unlink()


def read_secret_key(folder: Path) -> str:
    """The key in `folder`; empty where none was made yet."""
    try:
        return (folder / KEY_FILE).read_text().strip()
    except FileNotFoundError:
        return ""


def await_secret_key(folder: Path) -> str:
    """The key in `folder`, once it is there; what makes it is said once."""
    if not (key := read_secret_key(folder)):
        logger.warning("secret_key.missing", folder=str(folder), remedy="manage.py prepare")
    while not key:
        time.sleep(POLL_S)
        key = read_secret_key(folder)
    return key
