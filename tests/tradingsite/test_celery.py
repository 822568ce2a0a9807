"""Celery's app where tasks look for it, and tasks while the database or Redis is away."""

import sqlite3
import subprocess
import sys
from collections import Counter
from typing import Any, cast

import pytest
from django.db import DatabaseError, OperationalError, connection
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from foundation import redis
from tests.servers import ROOT
from tradingsite import task_queue
from tradingsite.celery import app
from tradingsite.rest.errors import error_response
from tradingsite.timetable import Timetable

SHARED_TASK = """
import os
import threading
os.environ["DJANGO_SETTINGS_MODULE"] = "tradingsite.settings"
import django
django.setup()
from django.conf import settings
from strategies.tasks import evaluate

def show():
    print(evaluate.app.main, evaluate.app.conf.broker_url == settings.CELERY_BROKER_URL)

show()
thread = threading.Thread(target=show)
thread.start()
thread.join()
"""
SETTINGS_ALONE = "import sys, tradingsite.settings; print('celery' in sys.modules)"


def printed(code: str) -> str:
    """By a new Python, which has loaded nothing of ours yet."""
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)


@pytest.mark.processes
def test_shared_tasks_use_our_app_in_every_thread():
    assert printed(SHARED_TASK) == "tradingsite True\n" * 2


@pytest.mark.processes
def test_settings_load_without_celery():
    assert printed(SETTINGS_ALONE) == "False\n"


@pytest.mark.parametrize("trouble", [OperationalError("gone"), RedisAway("gone")])
def test_a_task_that_finds_them_away_says_so_in_one_line(caplog, trouble):
    @app.task(name=f"tests.away.{type(trouble).__name__}", shared=False)
    def away() -> None:
        raise trouble

    with capture_logs() as lines:
        away.apply()
    assert [(line["event"], line["task"], line["error"]) for line in lines] == [
        ("task.lost", away.name, "gone")
    ]
    assert "Traceback" not in caplog.text


@pytest.mark.django_db
def test_a_statement_of_ours_that_fails_is_no_outage():
    @app.task(name="tests.no_table", shared=False)
    def no_table() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM there_is_no_such_table")

    with capture_logs() as lines:
        no_table.apply()
    assert "task.lost" not in [line["event"] for line in lines]
    assert any(line["event"] == "task.failed" for line in lines)


def damaged() -> DatabaseError:
    """What Django raises where SQLite finds its file damaged."""
    cause = sqlite3.DatabaseError("database disk image is malformed")
    cause.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    error = DatabaseError(str(cause))
    error.__cause__ = cause
    return error


def test_a_task_that_finds_the_database_damaged_says_what_helps(caplog):
    @app.task(name="tests.damaged", shared=False)
    def read() -> None:
        raise damaged()

    with capture_logs() as lines:
        read.apply()
    assert [line["event"] for line in lines] == ["database.damaged"]
    assert "Restore a backup" in lines[0]["error"]
    assert "Traceback" not in caplog.text


def test_a_damaged_database_is_no_fault_of_a_request():
    response = error_response(damaged(), {})
    assert response is not None
    assert (response.status_code, response.data["error"]) == (503, "database_damaged")


def test_a_mistake_of_ours_keeps_its_traceback(caplog):
    @app.task(name="tests.wrong", shared=False)
    def wrong() -> None:
        raise ValueError("wrong")

    wrong.apply()
    assert "Traceback" in caplog.text


BEAT_LOADS = """
import sys
from tradingsite import task_queue
from tradingsite.celery import app
from tradingsite.timetable import Timetable
app.loader.init_worker()
app.finalize()
loaded = {"django.db.models", "twisted", "rich"} & set(sys.modules)
print(app.conf.beat_schedule["beat"]["task"], *loaded)
"""


@pytest.mark.processes
def test_beat_loads_neither_models_nor_tasks_nor_what_only_web_needs():
    assert printed(BEAT_LOADS).split() == ["tradingsite.tasks.beat"]


@pytest.fixture
def queue():
    """The queue of tasks, empty before and after."""
    client = redis.connection()
    client.delete(task_queue.KEY)
    yield client
    client.delete(task_queue.KEY)


def send_what_is_due(timetable):
    while timetable.tick() == 0:
        pass


def waiting(queue):
    """How many messages wait, by the entry's task."""
    messages = queue.lrange(task_queue.KEY, 0, -1)
    tasks = [entry["task"] for entry in app.conf.beat_schedule.values()]
    return Counter(
        task for task in tasks for message in messages if f'"{task}"'.encode() in message
    )


def test_every_sweep_is_due_when_beat_starts(queue):
    send_what_is_due(Timetable(cast(Any, app)))
    assert waiting(queue) == Counter(entry["task"] for entry in app.conf.beat_schedule.values())


def test_a_sweep_that_waits_is_not_sent_again_by_any_beat(queue):
    for _ in range(3):
        send_what_is_due(Timetable(cast(Any, app)))
    assert set(waiting(queue).values()) == {1}


def test_beat_keeps_no_schedule_in_a_file(queue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    timetable = Timetable(cast(Any, app), schedule_filename=str(tmp_path / "celerybeat-schedule"))
    send_what_is_due(timetable)
    timetable.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
def test_without_a_worker_the_newest_messages_wait_and_no_more(queue, monkeypatch):
    monkeypatch.setattr(task_queue, "TRIM_EVERY_S", 0)
    for number in range(task_queue.MAX_MESSAGES + 20):
        app.send_task("tests.nobody", (number,), argsrepr=f"({number},)")
    messages = queue.lrange(task_queue.KEY, 0, -1)
    assert len(messages) == task_queue.MAX_MESSAGES
    newest = f"({task_queue.MAX_MESSAGES + 19},)"
    assert newest.encode() in messages[0]


def test_messages_of_tasks_expire(queue):
    @app.task(name="tests.expiring", shared=False)
    def expiring() -> None: ...

    expiring.delay()
    assert b'"expires": "' in queue.lindex(task_queue.KEY, 0)
