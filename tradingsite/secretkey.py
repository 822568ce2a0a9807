"""Django's secret key: made on the first start and kept, readable by its owner alone."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def kept_secret_key(folder: Path) -> str:
    """The key in `folder`, made now if there is none. Two processes starting at once agree."""
    path = folder / "secret_key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _written_key(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(get_random_secret_key())
    return _written_key(path)


def _written_key(path: Path) -> str:
    key = path.read_text().strip()
    if not key:  # its writer was killed, or is about to write
        path.write_text(get_random_secret_key())
        key = path.read_text().strip()
    return key
