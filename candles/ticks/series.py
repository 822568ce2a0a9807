"""One symbol's ticks on their way into its hour files: each id once, in order, none left out."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter

import structlog

from candles.intervals import floor_ms
from candles.live.lease import Fenced
from candles.live.sequence import in_sequence, run_length, unseen
from candles.ticks.hour_file import HourFile, last_tail
from candles.ticks.hours import HOUR_MS, Hour, Tail, TickFolder
from market.ticks import Tick

logger = structlog.get_logger(__name__)

MAX_WAITING = 50_000  # ticks of one symbol that are not written yet; those beyond are fetched
TICK_ID = attrgetter("tick_id")


class TickSeries:
    """The hour files of one symbol, as a leader writes them. Used by one thread.

    The last id in the files is the offset. Ticks up to it are skipped; at a jump `missing_from`
    says what to fetch, and those beyond wait. A tick goes into the hour of the newest time so far:
    one that came late stands where its id stands. `leads` answers whether we are the leader
    still; it is asked before a file is opened.
    """

    def __init__(self, folder: TickFolder, leads: Callable[[], bool]) -> None:
        self.folder, self.leads = folder, leads
        self._arrived: list[Tick] = []  # not yet held against the files
        self._waiting: list[Tick] = []  # behind the last id, each once, ascending
        self._resumed = False
        self._file: HourFile | None = None
        self._hour: Hour | None = None  # the newest there is
        self._tail: Tail | None = None
        self._whole_until = -1  # waiting ticks up to this id are all that the exchange has

    @property
    def missing_from(self) -> int | None:
        """The first id that is missing before those that wait; None where none is."""
        if self._tail is None or not self._waiting:
            return None
        next_id = self._tail.last_id + 1
        jumps = self._waiting[0].tick_id > max(next_id, self._whole_until)
        return next_id if jumps else None

    @property
    def has_work(self) -> bool:
        return bool(self._arrived or (self._waiting and self.missing_from is None))

    def add(self, ticks: Sequence[Tick]) -> None:
        """Take ticks in the order in which they were folded."""
        if len(self._arrived) < MAX_WAITING:
            self._arrived += ticks

    def add_fetched(self, page: Sequence[Tick]) -> None:
        """Take all ticks that the exchange has from `missing_from` on, up to the last of them.

        None at all means that those which are missing cannot be had.
        """
        if self._tail is None or not self._waiting:
            return
        through_id = page[-1].tick_id if page else self._waiting[0].tick_id - 1
        new = unseen(page, self._tail.last_id)
        left_out = through_id - self._tail.last_id - len(new)
        if left_out > 0:
            logger.warning(
                "ticks.left_out", symbol=self.folder.symbol, count=left_out,
                from_id=self._tail.last_id + 1, until_id=through_id,
            )  # fmt: skip
        self._whole_until = through_id
        self._merge(new)
        if not page:
            self._tail = self._tail._replace(last_id=max(through_id, self._tail.last_id))

    def write(self) -> None:
        """Write what is in sequence; what cannot be written waits for the next call.

        Raises Fenced, RedisError, OSError, FileLost.
        """
        if not self._resumed:
            self._resume()
        tail, arrived = self._tail, self._arrived
        if tail is not None and not self._waiting and in_sequence(arrived, tail.last_id):
            self._waiting, self._arrived = arrived, []
            self._write(len(self._waiting))
            return
        anew = self._reset_at()
        if anew is not None:
            self._arrived = arrived[anew:]
            self._merge(arrived[:anew])
            self._write(len(self._waiting))
            self._begin_anew()
        arrived, self._arrived = self._arrived, []
        self._merge(arrived)
        self._write(self._ready())

    def release(self) -> None:
        """Let go of the open file; the next write resumes from what is on the disk then."""
        if self._file is not None:
            self._file.close()
        self._file = self._hour = self._tail = None
        self._whole_until = -1
        self._resumed = False

    def _resume(self) -> None:
        if not self.leads():
            raise Fenced
        found = last_tail(self.folder)
        if found is not None:
            self._hour, self._tail, self._file = found
        if self._tail is not None:
            self._waiting = unseen(self._waiting, self._tail.last_id)
        self._resumed = True

    def _merge(self, ticks: Sequence[Tick]) -> None:
        if ticks:
            last_id = self._tail.last_id if self._tail else None
            self._waiting = unseen([*self._waiting, *ticks], last_id)[:MAX_WAITING]

    def _ready(self) -> int:
        """The number of those that wait that can be written."""
        whole = bisect_right(self._waiting, self._whole_until, key=TICK_ID)
        last_id = self._tail.last_id if self._tail else None
        if whole:
            last_id = self._waiting[whole - 1].tick_id
        return whole + run_length(self._waiting[whole:], last_id)

    def _reset_at(self) -> int | None:
        """The place among those that arrived where the exchange's ids begin anew: an old id at a
        time newer than all before. So it is after a testnet reset.
        """
        if self._tail is None:
            return None
        last_id, newest_ms = self._tail
        for place, tick in enumerate(self._arrived):
            if tick.tick_id <= last_id and tick.time_ms > newest_ms:
                return place
            last_id, newest_ms = max(last_id, tick.tick_id), max(newest_ms, tick.time_ms)
        return None

    def _begin_anew(self) -> None:
        logger.warning("ticks.ids_reset", symbol=self.folder.symbol, files=str(self.folder.path))
        self._seal()
        self._tail, self._whole_until = None, -1

    def _write(self, count: int) -> None:
        """Write the first `count` of those that wait, hour by hour."""
        while count > 0:
            newest_ms = self._tail.newest_ms if self._tail else 0
            hour_ms = floor_ms(max(newest_ms, self._waiting[0].time_ms), HOUR_MS)
            length = self._length_within(hour_ms + HOUR_MS, count)
            ticks = self._waiting[:length]
            file = self._file_of(hour_ms)
            last_id, last_ms = file.append(ticks)
            self._tail = Tail(last_id, max(newest_ms, last_ms))
            del self._waiting[:length]
            count -= length

    def _length_within(self, end_ms: int, count: int) -> int:
        """The number of ticks, of the first `count` of those that wait, before one of `end_ms`."""
        times = [tick.time_ms for tick in self._waiting[:count]]
        if max(times) < end_ms:
            return count
        return next(place for place, time_ms in enumerate(times) if time_ms >= end_ms)

    def _file_of(self, hour_ms: int) -> HourFile:
        """The open file of an hour; the one before it is sealed first."""
        if self._file is not None and self._file.hour.start_ms == hour_ms:
            return self._file
        self._seal()
        part = self._hour.part + 1 if self._hour and self._hour.start_ms == hour_ms else 1
        if not self.leads():
            raise Fenced
        self._file = HourFile.create(self.folder, Hour(hour_ms, part))
        self._hour = self._file.hour
        return self._file

    def _seal(self) -> None:
        if self._file is not None:
            self._file.seal()
            self._file.close()
            self._file = None
