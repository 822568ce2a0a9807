"""Tasks that belong to the system as a whole."""

from celery import shared_task

from foundation.redis import connection
from foundation.times import now_ms

BEAT_KEY = "worker:beat"  # when a worker last answered beat, in ms
MAX_BEAT_AGE_MS = 30_000  # older: no worker, or no beat


@shared_task
def beat() -> None:
    """Shows that beat, the broker and a worker work together."""
    connection().set(BEAT_KEY, now_ms())
