"""Celery: the worker's queues and the sweeps' timetable."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from tradingsite import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")

app = Celery("tradingsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,  # the database says what became of everything
    task_acks_late=True,  # a task whose worker was killed goes to another
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=3.0,  # seconds; what is not finished by then is swept up
    worker_enable_soft_shutdown_on_idle=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # Redis comes back some day
    # A publisher that waits for Redis holds up its own work; sweeps do what is not published.
    task_publish_retry=False,
    broker_transport_options={
        "visibility_timeout": 60,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
    },
    beat_schedule={
        "beat": {"task": "tradingsite.tasks.beat", "schedule": 5.0, "options": {"expires": 5}},
        "candles": {
            "task": "strategies.tasks.sweep_candles",
            "schedule": 5.0,
            "options": {"expires": 5},
        },
        "orders": {
            "task": "orders.tasks.sweep_orders",
            "schedule": 2.0,
            "options": {"expires": 5},
        },
        "exits": {
            "task": "strategies.tasks.sweep_exits",
            "schedule": 1.0,
            "options": {"expires": 2},
        },
        "symbols": {
            "task": "market.tasks.refresh_symbols",
            "schedule": 3600.0,
            "options": {"expires": 60},
        },
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    """Keep Celery from replacing our logging; of its own lines, warnings are enough."""
    logs.set_up()
