"""Progress of the stream process through the history of a symbol."""

import structlog

from candles.history.backfill import CatchUpProgress
from candles.history.progress import Progress
from candles.intervals import INTERVALS_MS
from foundation.times import to_time

logger = structlog.get_logger(__name__)


class HistoryProgress:
    """Shows how a symbol's history is loaded, series by series: a terminal's bar, else lines."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._interval = self._until = ""
        self._progress: Progress | None = None

    def show(self, so_far: CatchUpProgress) -> None:
        interval_ms = INTERVALS_MS[so_far.interval]
        if self._progress is None or so_far.interval != self._interval:
            self.close()
            self._interval = so_far.interval
            total = (so_far.end_ms - so_far.start_ms) // interval_ms
            label = f"{self.symbol} {so_far.interval}"
            self._progress = Progress(logger.info, label, total, "candles")
        self._until = to_time(so_far.until_ms).isoformat(timespec="seconds")
        self._progress.show((so_far.until_ms - so_far.start_ms) // interval_ms, self._until)

    def close(self) -> None:
        """Take the bar away, and say how far the series has come."""
        if self._progress is None:
            return
        self._progress.close()
        self._progress = None
        logger.info(
            "history.loaded", symbol=self.symbol, interval=self._interval, until=self._until
        )
