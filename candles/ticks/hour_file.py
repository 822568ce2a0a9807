"""The hour file that is being written: gzip members, one a write, each whole or as if never begun.

Who takes a file over copies its whole members into a file of the same name and goes on in that: a
former leader that wakes up writes into a file that has no name any more.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from gzip import compress
from pathlib import Path
from uuid import uuid4

import structlog

from candles.ticks.hours import (
    CHUNK,
    DAMAGE,
    Hour,
    Tail,
    TickFolder,
    checksum_path,
    read_sealed,
    set_aside,
    tail_of,
)
from candles.ticks.rows import encode_rows
from foundation.times import to_time
from market.ticks import Tick

logger = structlog.get_logger(__name__)

GZIP = 31  # zlib's name for the format, checksum included
FAST, SMALL = 1, 6  # a member lives for an hour, a sealed file for good
STEP = 1 << 13  # bytes; what zlib leaves over of a step is copied


class FileLost(Exception):
    """An open file that is ours no more, or not as we wrote it: it has to be taken over anew."""


class HourFile:
    """One symbol's open hour. `tail` is None as long as it is empty."""

    def __init__(self, folder: TickFolder, hour: Hour, descriptor: int, tail: Tail | None) -> None:
        self.folder, self.hour, self.tail = folder, hour, tail
        self._file = descriptor
        self._size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, folder: TickFolder, hour: Hour) -> "HourFile":
        """Begin an hour. Raises FileLost where its file is there."""
        folder.path.mkdir(parents=True, exist_ok=True)
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
            descriptor = os.open(folder.open_path(hour), flags, 0o600)
        except FileExistsError:
            raise FileLost(str(folder.open_path(hour))) from None
        return cls(folder, hour, descriptor, None)

    @classmethod
    def take_over(cls, folder: TickFolder, hour: Hour) -> "HourFile":
        """Go on behind the last whole member of an hour's file, in a copy of it.

        What follows that member was cut off by a crash, and is fetched again. Where it is no
        beginning of a member, or a member holds no ticks, the file was damaged, and is kept.
        """
        path = folder.open_path(hour)
        data = path.read_bytes()
        whole, tail, damage = _whole_members(data)
        if whole < len(data):
            logger.info("tick_file.cut", file=str(path), bytes=len(data) - whole)
        copy = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        try:
            descriptor = os.open(copy, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _write_all(descriptor, data[:whole])
                os.fsync(descriptor)
                if damage:
                    set_aside(path, damage)
                copy.replace(path)
                folder.sync()
                return cls(folder, hour, descriptor, tail)
            except BaseException:
                os.close(descriptor)
                raise
        finally:
            copy.unlink(missing_ok=True)

    def append(self, ticks: Sequence[Tick]) -> Tail:
        """Write ticks, all of them or none; returns the new end. Raises OSError, or FileLost."""
        self.check_is_ours()
        member = compress(encode_rows(ticks), compresslevel=FAST, mtime=0)
        try:
            _write_all(self._file, member)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(member)
        newest_ms = max(tick.time_ms for tick in ticks)
        if self.tail is not None:
            newest_ms = max(newest_ms, self.tail.newest_ms)
        self.tail = Tail(ticks[-1].tick_id, newest_ms)
        return self.tail

    def check_is_ours(self) -> None:
        """Raises FileLost where somebody took it over or removed it, or a write is half done."""
        ours, path = os.fstat(self._file), self.folder.open_path(self.hour)
        try:
            named = path.stat()
        except FileNotFoundError:
            raise FileLost(str(path)) from None
        same = (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev)
        if not same or ours.st_size != self._size:
            raise FileLost(str(path))

    def close(self) -> None:
        os.close(self._file)

    def seal(self) -> None:
        """Pack the hour into an archive with a checksum, and remove the open file.

        Made from the file that we hold, whatever its name stands for. Raises OSError, FileLost, or
        one of DAMAGE where what we wrote cannot be read any more.
        """
        self.check_is_ours()
        path = self.folder.sealed_path(self.hour)
        temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as file:
                self._pack(zipfile.ZipFile(file, "w"))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        finish_seal(self.folder, self.hour)

    def _pack(self, archive: zipfile.ZipFile) -> None:
        start = to_time(self.hour.start_ms)
        info = zipfile.ZipInfo(f"{self.folder.stem(self.hour)}.csv", start.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive, os.fdopen(os.dup(self._file), "rb") as own:
            own.seek(0)
            with archive.open(info, "w") as packed:
                for text in _unpacked(own.read(self._size)):
                    packed.write(text)


def finish_seal(folder: TickFolder, hour: Hour) -> None:
    """Write a sealed file's checksum, and remove the open file. Done twice it is done once."""
    path = folder.sealed_path(hour)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with temporary.open("w") as file:
        file.write(f"{digest.hexdigest()}  {path.name}\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(checksum_path(path))
    folder.sync()
    folder.open_path(hour).unlink(missing_ok=True)


def last_tail(folder: TickFolder) -> tuple[Hour, Tail | None, HourFile | None] | None:
    """The end of what is recorded, and the file to go on in where that is open; None of nothing.

    Finishes what a crash left: a seal half done, an hour not sealed, copies that nobody wants. A
    file that cannot be read is set aside, and the one before it is the last.
    """
    _remove_temporary(folder.path)
    for hour in reversed(folder.hours()):
        if folder.sealed_path(hour).exists():
            try:
                tail = tail_of(read_sealed(folder.sealed_path(hour)))
                finish_seal(folder, hour)
            except DAMAGE as error:
                set_aside(folder.sealed_path(hour), str(error))
                checksum_path(folder.sealed_path(hour)).unlink(missing_ok=True)
            else:
                return hour, tail, None
        if folder.open_path(hour).exists():
            file = HourFile.take_over(folder, hour)
            if file.tail is not None:
                return hour, file.tail, file
            file.close()
            folder.open_path(hour).unlink()
    return None


def _remove_temporary(folder: Path) -> None:
    """Of a leader that is gone; one that is alive and no leader fails on it, which does no harm."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _whole_members(data: bytes) -> tuple[int, Tail | None, str]:
    """The length of the whole members at the beginning, their last tick, and why not all are
    whole, where a mere cut does not explain it.
    """
    whole, tail = 0, None
    try:
        for end, text in _members(data):
            found = tail_of([text])
            if found is not None:
                newest_ms = max(found.newest_ms, tail.newest_ms) if tail else found.newest_ms
                tail = Tail(found.last_id, newest_ms)
            whole = end
    except EOFError:
        return whole, tail, ""
    except DAMAGE as error:
        return whole, tail, str(error)
    return whole, tail, ""


def _unpacked(data: bytes) -> Iterator[bytes]:
    for _, text in _members(data):
        yield text


def _members(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each gzip member's end and text. Raises EOFError for a cut one, zlib.error for damage."""
    view, start = memoryview(data), 0
    while start < len(view):
        unpacker, pieces, end = zlib.decompressobj(GZIP), [], start
        while not unpacker.eof:
            step = view[end : end + STEP]
            if not step:
                raise EOFError(f"cut off at byte {end}")
            pieces.append(unpacker.decompress(step))
            end += len(step)
        start = end - len(unpacker.unused_data)
        yield start, b"".join(pieces)
