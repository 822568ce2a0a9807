"""Celery: the worker's queues and the sweeps' timetable."""

import gc
import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import CPendingDeprecationWarning
from celery.fixups.django import DjangoFixup
from celery.signals import (
    after_task_publish,
    setup_logging,
    task_postrun,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)
from django.db import DatabaseError
from redis.exceptions import RedisError

from foundation.outages import BROKER_OUTAGES, OUTAGES, is_damage, is_outage
from tradingsite import broker, logs, task_queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # Celery's command knows no folder

# Seven lines at each loss of the broker, about a default of Celery 6 for tasks under way.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

STOP_WITHIN_S = 2.0
logger = structlog.get_logger(__name__)


class SweptTask(Task[Any, Any]):
    """A task whose work a later sweep does where database or Redis was away."""

    throws = (*OUTAGES, DatabaseError)  # of these Celery shows no traceback
    expires = 60  # seconds; a message that nobody took by then is dropped, a sweep does its work

    def on_failure(self, exc: Exception, *_: Any) -> None:
        if is_outage(exc):
            logger.warning("task.lost", task=self.name, error=str(exc).strip())
        elif is_damage(exc):
            from tradingsite.startup.prerequisites import damage_line

            logger.error("database.damaged", error=damage_line(exc))
        elif isinstance(exc, self.throws):
            logger.error("task.failed", task=self.name, exc_info=exc)


def _every(seconds: float, task: str) -> dict[str, Any]:
    """An entry of the timetable."""
    return {"task": task, "schedule": float(seconds)}


broker.register()
# Without Celery's Django fixup, which loads all of Django in every program of Celery's: beat sends
# tasks by their names and needs none of it. The worker gets it by `_load_django`.
app = Celery("tradingsite", task_cls=SweptTask, fixups=[])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,  # the database says what became of everything
    task_acks_late=True,  # a task whose worker was killed goes to another
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # Redis comes back some day
    # A publisher that waits for Redis holds up its own work; sweeps do what is not published.
    task_publish_retry=False,
    # Else Celery's Django fixup closes the database before and after every task.
    CELERY_DB_REUSE_MAX=sys.maxsize,
    broker_transport_options={
        "visibility_timeout": 60,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
    },
    beat_scheduler="tradingsite.timetable:Timetable",
    beat_schedule={
        "beat": _every(5, "tradingsite.tasks.beat"),
        "candles": _every(5, "strategies.tasks.sweep_candles"),
        "verdicts": _every(5, "candles.tasks.sweep_verdicts"),
        "missing": _every(15, "candles.tasks.sweep_missing"),
        "orders": _every(2, "orders.tasks.sweep_orders"),
        "account": _every(60, "orders.tasks.reconcile_account"),
        "exits": _every(1, "strategies.tasks.sweep_exits"),
        "results": _every(30, "orders.tasks.sum_results"),
        "symbols": _every(3600, "market.tasks.refresh_symbols"),
        "rules": _every(60, "market.tasks.refresh_trading"),
        "trading": _every(10, "orders.tasks.check_trading"),
        "silence": _every(10, "candles.tasks.ask_about_silent_symbols"),
    },
)


after_task_publish.connect(task_queue.trim_now_and_then)
worker_init.connect(task_queue.trim_now_and_then)


@worker_init.connect
def _load_django(sender: Any, **_: Any) -> None:
    """Django and the tasks, before the pool forks: what is loaded by then its children share."""
    from django.apps import apps
    from django.db import connection

    fixup = DjangoFixup(app)  # type: ignore[arg-type]  # its stubs know no other class of tasks
    fixup.on_import_modules()
    fixup.on_worker_init(sender=sender)
    from tradingsite.startup.prerequisites import await_tables

    logs.set_up()
    await_tables(threading.Event())
    # Two children with one connection would read each other's answers; nor does a pool survive.
    connection.close()
    if hasattr(connection, "close_pool"):
        connection.close_pool()
    app.autodiscover_tasks([config.name for config in apps.get_app_configs()], force=True)
    # After the fixup's own receiver, which closes what a child inherited.
    worker_process_init.connect(_warm_up)
    # What was loaded stays for good. A collector that walked over it in a child would write into
    # every page of it, and so have the child keep a copy of all.
    gc.collect()
    gc.freeze()


@setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    """Keep Celery from replacing our logging; of its own lines, warnings are enough."""
    logs.set_up()


@task_postrun.connect
def _drop_broken_connections(task: Task[Any, Any], **_: Any) -> None:
    """Have connections that failed or grew too old opened anew; keep the others."""
    from django.db import close_old_connections

    if not task.request.is_eager:
        close_old_connections()


@worker_ready.connect
def _reconcile(**_: Any) -> None:
    """Find at once what happened while no worker was there."""
    from orders.tasks import reconcile_account

    with suppress(RedisError, *BROKER_OUTAGES):  # the timetable has it every minute
        reconcile_account.apply_async(expires=30)


def _warm_up(**_: Any) -> None:
    from tradingsite import warmup

    warmup.warm_up()


@worker_shutting_down.connect
def _bound_shutdown(how: str, **_: Any) -> None:
    """Celery waits for running tasks for ever; ours go back to the queue after a while."""
    if how == "Warm":
        timer = threading.Timer(STOP_WITHIN_S, os.kill, [os.getpid(), signal.SIGQUIT])
        timer.daemon = True
        timer.start()
