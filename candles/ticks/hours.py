"""Hour files of one symbol by name, and what stands in a sealed one.

BTCUSDT-aggTrades-2026-11-28-13.csv.gz          the hour that is being written
BTCUSDT-aggTrades-2026-11-28-12.zip             a sealed one, as Binance's archives are
BTCUSDT-aggTrades-2026-11-28-12.zip.CHECKSUM    its SHA-256, as `sha256sum -c` reads it
BTCUSDT-aggTrades-2026-11-28-12-2.zip           the same hour, after the ids began anew
"""

import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from candles.intervals import INTERVALS_MS
from candles.ticks.rows import BadTickRow, id_and_time_ms
from foundation.times import to_ms, to_time

logger = structlog.get_logger(__name__)

HOUR_MS = INTERVALS_MS["1h"]
NAME = re.compile(
    r"(?P<symbol>.+)-aggTrades-(?P<hour>\d{4}-\d\d-\d\d-\d\d)(?:-(?P<part>\d+))?\.(?:csv\.gz|zip)",
    re.ASCII,
)
HOUR_FORMAT = "%Y-%m-%d-%H"
CHUNK = 1 << 16  # bytes
DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, BadTickRow)


class Hour(NamedTuple):
    """One file of a symbol. `part` is 1 unless the exchange's ids began anew within the hour."""

    start_ms: int
    part: int = 1


class Tail(NamedTuple):
    """The end of a file: its last id, and the newest time in it."""

    last_id: int
    newest_ms: int


def parse_name(name: str) -> Hour | None:
    """The hour that a file name speaks of; None for a file that is none of ours."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    start = datetime.strptime(found["hour"], HOUR_FORMAT).replace(tzinfo=UTC)
    return Hour(to_ms(start), int(found["part"] or 1))


class TickFolder:
    """The folder of one symbol's hour files."""

    def __init__(self, root: Path, symbol: str) -> None:
        self.path = root / symbol
        self.symbol = symbol

    def stem(self, hour: Hour) -> str:
        part = f"-{hour.part}" if hour.part > 1 else ""
        return f"{self.symbol}-aggTrades-{to_time(hour.start_ms):{HOUR_FORMAT}}{part}"

    def open_path(self, hour: Hour) -> Path:
        return self.path / f"{self.stem(hour)}.csv.gz"

    def sealed_path(self, hour: Hour) -> Path:
        return self.path / f"{self.stem(hour)}.zip"

    def hours(self) -> list[Hour]:
        """All that there are, oldest first."""
        if not self.path.is_dir():
            return []
        found = (parse_name(path.name) for path in self.path.iterdir())
        return sorted({hour for hour in found if hour is not None})

    def sync(self) -> None:
        """Have the names in the folder on the disk."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def checksum_path(sealed: Path) -> Path:
    return sealed.with_name(f"{sealed.name}.CHECKSUM")


def tail_of(texts: Iterable[bytes]) -> Tail | None:
    """The end of rows that come in pieces of whole lines; None where there are none.

    Raises BadTickRow where one is no row of ours.
    """
    last_id, newest_ms = 0, -1
    for text in texts:
        for line in text.splitlines():
            last_id, time_ms = id_and_time_ms(line)
            newest_ms = max(newest_ms, time_ms)
    return None if newest_ms < 0 else Tail(last_id, newest_ms)


def read_sealed(path: Path) -> Iterator[bytes]:
    """The lines of a sealed file, in pieces. Raises one of DAMAGE."""
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        rest = b""
        with archive.open(name) as file:
            while piece := file.read(CHUNK):
                end = piece.rfind(b"\n") + 1
                if end:
                    yield rest + piece[:end]
                    rest = b""
                rest += piece[end:]
            if rest:
                yield rest


def set_aside(path: Path, reason: str) -> None:
    """Keep a damaged file under another name; what it held is fetched anew."""
    logger.warning("tick_file.damaged", file=str(path), reason=reason)
    path.replace(path.with_name(f"{path.name}.damaged"))
