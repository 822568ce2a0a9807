"""Celery's app where tasks look for it, and tasks while the database or Redis is away."""

import subprocess
import sys

import pytest
from django.db import OperationalError, connection
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from tests.servers import ROOT
from tradingsite.celery import app

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
    assert any(line["event"] == "task.failed" for line in lines) == (connection.vendor == "sqlite")


def test_a_mistake_of_ours_keeps_its_traceback(caplog):
    @app.task(name="tests.wrong", shared=False)
    def wrong() -> None:
        raise ValueError("wrong")

    wrong.apply()
    assert "Traceback" in caplog.text


BEAT_LOADS = """
import sys
from tradingsite.celery import app
app.loader.init_worker()
app.finalize()
print(app.conf.beat_schedule["beat"]["task"], "django.db.models" in sys.modules)
"""


@pytest.mark.processes
def test_beat_needs_neither_django_nor_the_tasks():
    assert printed(BEAT_LOADS).split() == ["tradingsite.tasks.beat", "False"]
