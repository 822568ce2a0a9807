"""Scheduler of beat: the sweeps' timetable, kept in no file, and no sweep twice in the queue."""

from datetime import timedelta
from typing import Any

import structlog
from celery.beat import ScheduleEntry, Scheduler
from redis.exceptions import RedisError

from tradingsite import task_queue

LONG_AGO = timedelta(days=1)
logger = structlog.get_logger(__name__)


class Timetable(Scheduler):
    """Every sweep is due when beat starts, and then after its interval.

    When a sweep last went out is not kept: a sweep too many costs little, and a file can be
    damaged. One that still waits for a worker is not sent a second time.
    """

    def setup_schedule(self) -> None:
        super().setup_schedule()
        for entry in self.schedule.values():
            entry.last_run_at = entry.default_now() - LONG_AGO

    def apply_async(self, entry: ScheduleEntry, *args: Any, **options: Any) -> Any:
        if _waits(entry.task):
            return None
        return super().apply_async(entry, *args, **options)


def _waits(task: str | None) -> bool:
    try:
        return task is not None and task_queue.holds(task)
    except RedisError:
        return False  # sending it says what is wrong
