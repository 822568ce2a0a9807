"""Recording of every tick in hour files, by a thread of the leader's own."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog
from redis.exceptions import RedisError

from candles.live.folded import Folded
from candles.live.lease import Fenced
from candles.live.missing import RetryFetch
from candles.ticks.gap import MissingPage
from candles.ticks.hour_file import FileLost
from candles.ticks.hours import TickFolder
from candles.ticks.retention import Retention, remove_old
from candles.ticks.series import TickSeries
from foundation.times import now_ms
from foundation.worker import WorkerPool
from market.rest import MarketRest
from market.ticks import Tick
from tradingsite.stream.pace import Pace

logger = structlog.get_logger(__name__)

FLUSH_EVERY_S = 1.0  # a process that is killed loses so much at most, and its successor fetches it
FETCHING_EVERY_S = 0.05  # while ticks are fetched
MAX_QUEUED = 200_000  # ticks of all symbols; those beyond are fetched later
RETRY_EVERY_S = 5.0  # a disk that took nothing is tried again
REMOVE_EVERY_S = 600.0


class TickRecorder:
    """Writes ticks as they were folded, in sequence of their ids. The main thread only queues them.

    Trading never waits for it: while the disk takes nothing ticks wait up to a bound, those beyond
    are dropped, and fetched by their ids once it does.
    """

    def __init__(
        self,
        root: Path,
        retention: Retention,
        rest: MarketRest,
        leads: Callable[[], bool],
    ) -> None:
        self.root, self.retention = root, retention
        self._rest, self._leads = rest.in_background(), leads
        self._queue: SimpleQueue[tuple[str, Sequence[Tick]]] = SimpleQueue()
        self._queued = self._taken = 0  # ticks so far; each is counted by one thread alone
        self._series: dict[str, TickSeries] = {}
        self._fetching: set[str] = set()
        self._fetches = WorkerPool("ticks-fetch", 1, in_order=False)
        self._failing: set[str] = set()  # symbols whose ticks the disk does not take
        self._retry, self._removing = Pace(RETRY_EVERY_S), Pace(REMOVE_EVERY_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticks", daemon=True)
        self._thread.start()

    def record(self, folded: Mapping[str, Folded]) -> None:
        """Have the ticks of a turn written; waits for nothing."""
        for symbol, step in folded.items():
            if step.ticks and self._queued - self._taken < MAX_QUEUED:
                self._queued += len(step.ticks)
                self._queue.put((symbol, step.ticks))

    def stop(self, within_s: float = 0.0) -> None:
        """Write what is queued, for so long; what is left is fetched by a successor."""
        self._stopping.set()
        self._fetches.cancel()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stopping.wait(FETCHING_EVERY_S if self._fetching else FLUSH_EVERY_S):
            self._turn()
        self._turn()
        for series in self._series.values():
            series.release()

    def _turn(self) -> None:
        try:
            self._write_all()
        except Exception:  # the thread goes on: nobody else would write
            logger.exception("ticks.record_failed")

    def _write_all(self) -> None:
        self._take()
        self._fetches.collect()
        if not self._retry.is_due():
            return
        for series in list(self._series.values()):
            if series.has_work:
                self._write(series)
            self._fetch_missing(series)
        if self._removing.due():
            self._remove_old()

    def _take(self) -> None:
        try:
            while True:
                symbol, ticks = self._queue.get_nowait()
                self._taken += len(ticks)
                if symbol not in self._series:
                    folder = TickFolder(self.root, symbol)
                    self._series[symbol] = TickSeries(folder, self._leads)
                self._series[symbol].add(ticks)
        except Empty:
            return

    def _write(self, series: TickSeries) -> None:
        symbol = series.folder.symbol
        try:
            series.write()
        except (Fenced, RedisError):
            return  # the main thread hears of it as well
        except FileLost as error:
            logger.info("ticks.file_lost", symbol=symbol, file=str(error))
            series.release()
        except OSError as error:
            self._note_failure(symbol, error)
        except Exception:
            logger.exception("ticks.record_failed", symbol=symbol)
            series.release()
            self._retry.restart()
        else:
            self._note_success(symbol)

    def _note_failure(self, symbol: str, error: OSError) -> None:
        """Say once that ticks cannot be written, and try again in a while."""
        if not self._failing:
            remedy = "make room; what is not written meanwhile is fetched from the exchange then"
            logger.error("ticks.write_failed", error=str(error), remedy=remedy)
        self._failing.add(symbol)
        self._retry.restart()

    def _note_success(self, symbol: str) -> None:
        if symbol in self._failing:
            self._failing.remove(symbol)
            if not self._failing:
                logger.info("ticks.write_resumed", folder=str(self.root))

    def _fetch_missing(self, series: TickSeries) -> None:
        from_id, symbol = series.missing_from, series.folder.symbol
        if from_id is None or symbol in self._fetching or self._stopping.is_set():
            return
        self._fetching.add(symbol)
        page = MissingPage(self._rest, symbol, from_id)
        self._fetches.submit(
            page, partial(self._add_fetched, series, from_id), retry_after=RetryFetch(symbol)
        )

    def _add_fetched(self, series: TickSeries, from_id: int, page: Sequence[Tick]) -> None:
        self._fetching.discard(series.folder.symbol)
        if series.missing_from == from_id:
            series.add_fetched(page)

    def _remove_old(self) -> None:
        try:
            remove_old(self.root, self.retention, now_ms())
        except OSError as error:
            logger.error("ticks.remove_failed", error=str(error))
