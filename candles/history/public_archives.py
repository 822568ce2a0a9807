"""Binance's public archives: the files of a span of time, fetched once, verified and kept.

Source: Binance Public Data, README: a file for each month that is over and for each day, with its
SHA-256 beside it in `.CHECKSUM`. A month's file appears some days after its end, a day's the next.
"""

import hashlib
import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

from market.downloads import DownloadFailed, FileServer, NoConnection, NoSuchFile

PERIOD = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
FIRST_YEAR = 2017  # of Binance's klines
CHECKSUM = re.compile(rb"([0-9a-f]{64})[ *]+(\S+)\s*")
MAX_CHECKSUM_BYTES = 1_000


class BadPeriod(ValueError):
    """A span of time of which there are no archives. Its text is one line."""


def periods(text: str, today: date) -> list[str]:
    """The months (`2024-05`) of a year that have begun, or the month or day (`2024-05-17`) itself.

    Raises BadPeriod where that is nonsense, or no day of it is over.
    """
    found = PERIOD.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        first = date(*(int(part or 1) for part in found.groups()))
    except ValueError:
        raise BadPeriod(
            f"{text}: give a year, month or day like 2024, 2024-05, 2024-05-17"
        ) from None
    if first.year < FIRST_YEAR:
        raise BadPeriod(f"{text}: Binance's archives begin in {FIRST_YEAR}")
    if first >= today:
        raise BadPeriod(f"{text}: no day of it is over yet (UTC)")
    if found[2] is not None:
        return [text]
    months = (date(first.year, month, 1) for month in range(1, 13))
    return [f"{month:%Y-%m}" for month in months if month < today]


class PublicArchives:
    """The archives of one series, kept in `folder`.

    A file that is there and matches its checksum is not fetched again. `on_bytes` is called with
    a file's name, and how many bytes of how many have come.
    """

    def __init__(
        self,
        server: FileServer,
        folder: Path,
        symbol: str,
        interval: str,
        on_bytes: Callable[[str, int, int], None],
    ) -> None:
        self._server, self._folder, self._on_bytes = server, folder, on_bytes
        self._symbol, self._interval = symbol, interval

    def fetch(self, period: str, today: date) -> Iterator[Path | DownloadFailed]:
        """The verified files that hold a month or a day, and why others could not be had.

        A month without a file of its own (yet) comes day by day. Raises NoConnection.
        """
        try:
            yield self._fetch(period)
        except NoConnection:
            raise
        except NoSuchFile as missing:
            days = _days(period, today)
            # Whoever was traded on any day of a month was on its first or on its last.
            if any(map(self._has, {*days[:1], *days[-1:]})):
                for day in days:
                    yield from self.fetch(day, today)
            else:
                yield missing
        except DownloadFailed as error:
            yield error

    def _has(self, period: str) -> bool:
        try:
            return self._fetch(period).is_file()
        except NoConnection:
            raise
        except DownloadFailed as error:
            return not isinstance(error, NoSuchFile)

    def _fetch(self, period: str) -> Path:
        kept = self._folder / f"{self._symbol}-{self._interval}-{period}.zip"
        noted = kept.with_name(f"{kept.name}.CHECKSUM")
        if kept.is_file() and noted.is_file() and _sha256(kept) == _checksum_in(noted):
            return kept
        path = self._path(period, kept.name)
        noted.unlink(missing_ok=True)
        try:
            self._server.download(f"{path}.CHECKSUM", noted, _ignore, MAX_CHECKSUM_BYTES)
        except NoSuchFile:
            raise NoSuchFile(kept.name) from None
        expected = _checksum_in(noted)
        if expected is None:
            noted.unlink()
            raise DownloadFailed(
                f"{self._server.url}{path}.CHECKSUM: holds no SHA-256 of {kept.name}"
            )
        if not (kept.is_file() and _sha256(kept) == expected):
            self._download(path, kept, expected)
        return kept

    def _path(self, period: str, name: str) -> str:
        length = "daily" if _is_day(period) else "monthly"
        return quote(f"/data/spot/{length}/klines/{self._symbol}/{self._interval}/{name}")

    def _download(self, path: str, kept: Path, expected: str) -> None:
        part = kept.with_name(f"{kept.name}.part")
        on_bytes = partial(self._on_bytes, kept.name)
        continued = part.exists()
        self._server.download(path, part, on_bytes)
        found = _sha256(part)
        if found != expected and continued:  # the file may have been another one since
            part.unlink()
            self._server.download(path, part, on_bytes)
            found = _sha256(part)
        if found != expected:
            part.unlink()
            raise DownloadFailed(
                f"{self._server.url}{path}: its SHA-256 is {found}, not {expected} as its .CHECKSUM"
                " says; the same command fetches it again"
            )
        part.replace(kept)


def _is_day(period: str) -> bool:
    return len(period) == len("2024-05-17")


def _days(period: str, today: date) -> list[str]:
    """The days of a month that are over; none of a day."""
    if _is_day(period):
        return []
    first = date.fromisoformat(f"{period}-01")
    days = (first + timedelta(n) for n in range(monthrange(first.year, first.month)[1]))
    return [f"{day}" for day in days if day < today]


def _ignore(_: int, __: int) -> None: ...


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum_in(path: Path) -> str | None:
    """The SHA-256 that a `.CHECKSUM` file gives the archive beside it."""
    found = CHECKSUM.fullmatch(path.read_bytes())
    if found is None or found[2].decode("utf-8", "replace") != path.name.removesuffix(".CHECKSUM"):
        return None
    return found[1].decode()
