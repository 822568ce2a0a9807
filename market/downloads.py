"""Downloads of files, each bounded in size and time, continued where the connection was cut."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from foundation.backoff import Backoff
from market.answer_deadline import TimedAdapter
from market.proxies import request_options
from market.transport import CONNECT_TIMEOUT_S, READ_BYTES, never_sent, root_cause

ANSWER_TIMEOUT_S = 30.0  # of one answer; the next one continues a longer file
MAX_FILE_S = 3_600.0
MAX_FILE_BYTES = 1 << 30  # a month of 1s klines has a tenth
MAX_FUTILE = 3  # attempts in a row that bring nothing
BACKOFF = Backoff(first_s=0.5, max_s=10)
LENGTH = re.compile(r"\d{1,15}", re.ASCII)
PARTIAL = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})", re.ASCII)
UNSATISFIED = re.compile(r"bytes \*/(\d{1,15})", re.ASCII)
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
OK, PARTIAL_CONTENT, NOT_FOUND, RANGE_NOT_SATISFIABLE, TOO_MANY = 200, 206, 404, 416, 429
OnBytes = Callable[[int, int], None]  # so many bytes of a file are there, of so many


class DownloadFailed(Exception):
    """A file could not be had. Its text is one line that names file and remedy."""


class NoSuchFile(DownloadFailed):
    """The server has no file of that name, which is the text."""


class NoConnection(DownloadFailed):
    """The server can't be reached, so other files can't be had either."""


class _Cut(Exception):
    """An answer that did not come whole. Asking again may help."""


class FileServer:
    """Files below an address that has been checked. No redirect is followed.

    Failing attempts end, and pauses between them, once `stopping` is set.
    """

    def __init__(self, base_url: str, stopping: threading.Event) -> None:
        self.url = base_url.rstrip("/")
        self._stopping = stopping
        self._adapter = TimedAdapter()
        self._options = request_options(base_url)

    def download(
        self, path: str, part: Path, on_bytes: OnBytes, max_bytes: int = MAX_FILE_BYTES
    ) -> None:
        """Write a file to `part`, behind what an earlier download has left there.

        Where it fails, and where `on_bytes` raises, what has come stays for the next one.
        Raises DownloadFailed.
        """
        until_s, futile = time.monotonic() + MAX_FILE_S, 0
        while True:
            before = _size(part)
            try:
                return self._continue(path, part, on_bytes, max_bytes)
            except _Cut as error:
                futile = 0 if _size(part) > before else futile + 1
                if futile == MAX_FUTILE or time.monotonic() > until_s or self._stopping.is_set():
                    raise DownloadFailed(
                        f"{self.url}{path}: {error}; the same command goes on from there"
                    ) from None
                self._stopping.wait(BACKOFF.pause_s(futile))

    def _continue(self, path: str, part: Path, on_bytes: OnBytes, max_bytes: int) -> None:
        have = _size(part)
        with self._answer(path, have) as answer:
            if answer.status_code == RANGE_NOT_SATISFIABLE:
                unsatisfied = UNSATISFIED.fullmatch(answer.headers.get("Content-Range", ""))
                if unsatisfied and int(unsatisfied[1]) == have:
                    return  # all of it had come before
                part.unlink()
                raise _Cut("what had come before was no part of it")
            start = have if answer.status_code == PARTIAL_CONTENT else 0
            total = _total(answer, start)
            if total > max_bytes:
                raise DownloadFailed(f"{self.url}{path}: {total:,} bytes, over {max_bytes:,}")
            size = start
            with part.open("ab" if start else "wb") as file:
                for piece in _pieces(answer):
                    size += file.write(piece)
                    if size > total:
                        raise DownloadFailed(f"{self.url}{path}: longer than announced")
                    on_bytes(size, total)

    @contextmanager
    def _answer(self, path: str, start: int) -> Iterator[requests.Response]:
        """An answer with a body to read, or one that says there is nothing from `start` on."""
        request = requests.PreparedRequest()
        request.method, request.url = "GET", f"{self.url}{path}"
        request.headers = CaseInsensitiveDict(HEADERS)
        if start:
            request.headers["Range"] = f"bytes={start}-"
        timeout = CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S
        try:
            answer = self._adapter.send(request, stream=True, timeout=timeout, **self._options)
        except requests.RequestException as error:
            reason = root_cause(error)
            if never_sent(error) or isinstance(error, requests.exceptions.SSLError):
                raise NoConnection(
                    f"{self.url}: no connection ({reason}); the same command goes on once there is"
                ) from None
            raise _Cut(f"no answer ({reason})") from None
        try:
            self._check_status(path, answer.status_code, start)
            yield answer
        finally:
            answer.close()

    def _check_status(self, path: str, status: int, start: int) -> None:
        if status == OK or (start and status in {PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE}):
            return
        if status == NOT_FOUND:
            raise NoSuchFile(path.rpartition("/")[2])
        if status == TOO_MANY or status >= 500:
            raise _Cut(f"answered with {status}")
        text = "a redirect, which is not followed" if 300 <= status < 400 else "refused"
        raise DownloadFailed(f"{self.url}{path}: {text} ({status}); check BINANCE_ARCHIVES_URL")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _total(answer: requests.Response, start: int) -> int:
    """Bytes of the whole file, of which the answer holds those from `start` on.

    Without that a cut could not be told from the end.
    """
    if answer.status_code == PARTIAL_CONTENT:
        found = PARTIAL.fullmatch(answer.headers.get("Content-Range", ""))
        if found and int(found[1]) == start:
            return int(found[2])
        raise _Cut("answered with another part than was asked for")
    length = answer.headers.get("Content-Length", "")
    if not LENGTH.fullmatch(length):
        raise _Cut("its length is not told")
    return int(length)


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body, piece by piece. Raises _Cut where it ends early."""
    try:
        while piece := answer.raw.read(READ_BYTES):
            yield piece
    except urllib3.exceptions.HTTPError as error:
        raise _Cut(f"the connection was cut ({type(error).__name__})") from None
