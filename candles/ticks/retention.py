"""Removal of old hour files of ticks: by age, and by the room that all of them take."""

from pathlib import Path
from typing import NamedTuple

import structlog

from candles.ticks.hours import HOUR_MS, Hour, checksum_path, parse_name

logger = structlog.get_logger(__name__)

DAY_MS = 24 * HOUR_MS


class Retention(NamedTuple):
    """Bounds on what is kept; 0 is none. `max_bytes` is for all symbols together."""

    max_days: int
    max_bytes: int


class _KeptFile(NamedTuple):
    hour: Hour
    path: Path
    size: int  # bytes, its checksum's included


def remove_old(root: Path, retention: Retention, now_ms: int) -> int:
    """Remove sealed hours and damaged files beyond the bounds, oldest first; returns how many.

    A symbol's newest file stays, unless it is too old: it says where to go on. Open files stay.
    """
    kept, total = _removable(root)
    removed = 0
    for file in sorted(kept):
        too_old = retention.max_days and file.hour.start_ms < now_ms - retention.max_days * DAY_MS
        too_much = retention.max_bytes and total > retention.max_bytes
        if not (too_old or too_much) or (not too_old and _is_newest(file, kept)):
            continue
        file.path.unlink(missing_ok=True)
        checksum_path(file.path).unlink(missing_ok=True)
        total -= file.size
        removed += 1
    if removed:
        logger.info("ticks.removed", files=removed, bytes_left=total)
    return removed


def _removable(root: Path) -> tuple[list[_KeptFile], int]:
    """Sealed and damaged files of all symbols, and the bytes that all files take."""
    kept: list[_KeptFile] = []
    total = 0
    for path in root.glob("*/*"):
        hour = parse_name(path.name.removesuffix(".damaged"))
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # sealed or removed just now
            continue
        total += size
        if hour is None or path.suffix == ".gz":
            continue
        checksum = checksum_path(path)
        extra = checksum.stat().st_size if checksum.exists() else 0
        kept.append(_KeptFile(hour, path, size + extra))
    return kept, total


def _is_newest(file: _KeptFile, kept: list[_KeptFile]) -> bool:
    ours = [one.hour for one in kept if one.path.parent == file.path.parent]
    return file.hour == max(ours)
