"""Closed candles and history on their way from the stream process to the database."""

import time
from collections.abc import Mapping

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections

from candles import services
from candles.fetch import Joined
from candles.store import ClosedCandle, Writer
from market.models import Symbol

logger = structlog.get_logger(__name__)

DATABASE_GONE = (OperationalError, InterfaceError)
RETRY_S = 0.5


class Recorder:
    """What is still to be recorded. Where the database is gone it waits, in Redis too.

    `unsaved` are the closed candles that neither the database nor Redis has; who has written
    them to Redis calls `saved`.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.unsaved: list[ClosedCandle] = []
        self._unrecorded = writer.unrecorded()
        self._history: list[Joined] = []
        self._next_try_s = 0.0

    def add(self, closed: list[ClosedCandle]) -> None:
        self._unrecorded += closed
        self.unsaved += closed

    def add_history(self, joined: Joined) -> None:
        self._history.append(joined)

    def saved(self) -> None:
        self.unsaved = []

    def record(self, symbols: Mapping[str, Symbol]) -> None:
        """Write down what waits; where that fails, try again with a later call."""
        if not (self._unrecorded or self._history) or time.monotonic() < self._next_try_s:
            return
        try:
            self._record_history()
            self._record_closed(symbols)
        except DATABASE_GONE as error:
            logger.warning("database.unreachable", waiting=len(self._unrecorded), error=str(error))
            self._next_try_s = time.monotonic() + RETRY_S
            close_old_connections()

    def _record_history(self) -> None:
        while self._history:
            joined = self._history[0]
            for interval, candles in joined.history.items():
                services.record_history(joined.symbol, interval, candles)
            self._history.pop(0)

    def _record_closed(self, symbols: Mapping[str, Symbol]) -> None:
        if not self._unrecorded:
            return
        services.record_closed(self._unrecorded, symbols)
        if len(self.unsaved) < len(self._unrecorded):
            self.writer.tick_off()  # Redis has some of them
        self._unrecorded, self.unsaved = [], []
