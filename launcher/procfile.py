"""The Procfile: the system's processes, each with the shell command that starts it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$", re.MULTILINE)


def commands() -> dict[str, str]:
    """Shell commands by the process's name, in the file's order."""
    return dict(LINE.findall((ROOT / "Procfile").read_text()))
