"""Tasks that belong to the system as a whole."""

import time

from celery import shared_task

from foundation.redis import connection

BEAT_KEY = "worker:beat"  # when a worker last answered beat, in ms


@shared_task
def beat() -> None:
    """Shows that beat, the broker and a worker work together."""
    connection().set(BEAT_KEY, int(time.time() * 1000))
