"""The SQLite file, looked at before it is used: a damaged one is told, never touched.

Journal and write-ahead log that a killed process left are SQLite's own to roll back or forward, and
are when it is opened.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from foundation.outages import DAMAGE

MAX_CHECKED_BYTES = 256 * 2**20  # a larger one is checked only where a process left it open
REMEDY = (
    "nothing in it was changed. Restore a backup, or save what can be read by"
    " `sqlite3 {file} .recover | sqlite3 new.sqlite3`; to begin anew move it away"
)


def damage(file: Path, *, in_use: bool) -> str | None:
    """One line that says what is wrong with the file and what helps; None for one that is good.

    An empty file is a new database to SQLite; `in_use` says that there must be something in it.
    """
    if not file.exists():
        return None
    if in_use and not file.stat().st_size:
        return damage_text(file, "it is empty")
    found = _check(file) if _is_to_check(file) else None
    return damage_text(file, found) if found else None


def damage_text(file: Path, reason: str) -> str:
    return f"the database {file} is damaged ({reason}); {REMEDY.format(file=file)}"


def _is_to_check(file: Path) -> bool:
    left_open = any(Path(f"{file}{end}").exists() for end in ("-wal", "-journal"))
    return left_open or file.stat().st_size <= MAX_CHECKED_BYTES


def _check(file: Path) -> str | None:
    try:
        with closing(sqlite3.connect(file, timeout=5)) as connection:
            ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        # Locked, full, not to be opened: whoever uses it next says so.
        return str(error) if error.sqlite_errorcode & 0xFF in DAMAGE else None
    return None if found == "ok" else " ".join(str(found).split())
