"""Data files of the private Redis, made good before it starts.

A power cut leaves the end of an append-only file cut or zeroed, or a file empty, and the server
ends at once, with its reasons in a log. What can be repaired is repaired by the server's own
checkers, which are the server's program under other names; what can't is set aside. A damaged file
is always kept beside. Nothing in Redis is needed to go on: exchange and database have it all.
"""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER, MANIFEST = "appendonlydir", "appendonly.aof.manifest"
ENTRY = re.compile(r"file (\S+) seq \d+ type ([bih])(?: .*)?")
BASE, INCREMENT = "b", "i"
CATCHES_UP = "the system catches up from exchange and database"


class Damaged(Exception):
    """The files cannot be used, for this reason."""


@dataclass(frozen=True)
class DataFiles:
    """The append-only files in `folder`, with the server whose checkers are asked."""

    server: str
    folder: Path

    def repair(self) -> str | None:
        """Make them such that the server starts; one line that says what was lost, if anything.

        Raises OSError where a damaged file could not be kept, with the files as they were.
        """
        files = self.folder / FOLDER
        if not files.is_dir() or not any(files.iterdir()):
            return None
        try:
            return self._repair_end(self._last_increment(files))
        except Damaged as reason:
            kept = _beside(files)
            files.rename(kept)
            return f"data set aside in {kept} ({reason}); Redis starts empty, {CATCHES_UP}"

    def _last_increment(self, files: Path) -> Path | None:
        """The file that was appended to last. Raises Damaged where another one is."""
        entries = _entries(files / MANIFEST)
        for name, _ in entries:
            if not (files / name).is_file():
                raise Damaged(f"{name} is missing")
        increments = [files / name for name, kind in entries if kind == INCREMENT]
        for file in (files / name for name, kind in entries if kind == BASE):
            if not self._is_good("rdb" if file.suffix == ".rdb" else "aof", file):
                raise Damaged(f"{file.name} is damaged")
        for file in increments[:-1]:
            if not self._is_good("aof", file):
                raise Damaged(f"{file.name} is damaged")
        return increments[-1] if increments else None

    def _repair_end(self, file: Path | None) -> str | None:
        if file is None or self._is_good("aof", file):
            return None
        kept = _beside(file)
        try:
            shutil.copy2(file, kept)
        except OSError:
            kept.unlink(missing_ok=True)
            raise
        size = file.stat().st_size
        self._check("aof", "--fix", str(file))
        if not self._is_good("aof", file):
            raise Damaged(f"{file.name} cannot be repaired")
        lost = size - file.stat().st_size
        return (
            f"{file.name} was damaged: its last {lost} of {size} bytes are cut off, the damaged"
            f" file is kept as {kept}; {CATCHES_UP}"
        )

    def _is_good(self, kind: str, file: Path) -> bool:
        # The checker of append-only files calls an empty one bad, the server doesn't.
        return (kind == "aof" and not file.stat().st_size) or self._check(kind, str(file)) == 0

    def _check(self, kind: str, *words: str) -> int:
        """Exit code of the server's checker, which its program is by the name it is called by."""
        return subprocess.run(
            [f"redis-check-{kind}", *words],
            executable=self.server,
            input=b"y\n",  # cut it, then
            capture_output=True,
            check=False,
        ).returncode


def _entries(manifest: Path) -> list[tuple[str, str]]:
    """Names and kinds of the files that belong together."""
    try:
        lines = manifest.read_text("ascii").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        lines = []
    found = [ENTRY.fullmatch(line) for line in lines if not line.startswith("#")]
    if not found:
        raise Damaged(f"{MANIFEST} is missing, empty or damaged")
    entries = []
    for match in found:
        if match is None or "/" in match[1]:
            raise Damaged(f"{MANIFEST} is damaged")
        entries.append((match[1], match[2]))
    return entries


def _beside(path: Path) -> Path:
    """A name beside `path` that nothing has yet: `….damaged-20261128T091500Z`."""
    stem = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
    return next(Path(name) for name in names if not Path(name).exists())
