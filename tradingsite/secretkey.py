"""Django's secret key: made on the first start and kept, readable by its owner alone."""

import os
from contextlib import suppress
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def kept_secret_key(folder: Path) -> str:
    """The key in `folder`, made now if there is none. Two processes starting at once agree."""
    path = folder / "secret_key"
    if not path.exists():
        draft = folder / f"secret_key.{os.getpid()}"
        draft.touch(0o600)
        draft.write_text(get_random_secret_key())
        with suppress(FileExistsError):  # somebody else was faster: theirs counts
            path.hardlink_to(draft)  # whole or not at all
        draft.unlink()
    return path.read_text().strip()
