"""Tasks while the database or Redis is away."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from tests.servers import PYTHON, ROOT
from tradingsite.celery import app
from tradingsite.tasks import beat


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


def test_a_task_sent_from_any_thread_goes_to_our_broker():
    with ThreadPoolExecutor(1) as other:
        brokers = other.submit(lambda: beat.app.conf.broker_url).result()
    assert brokers == app.conf.broker_url


BEAT_LOADS = """
import sys
from tradingsite.celery import app
app.loader.init_worker()
app.finalize()
print(app.conf.beat_schedule["beat"]["task"], "django.db.models" in sys.modules)
"""


@pytest.mark.processes
def test_beat_needs_neither_django_nor_the_tasks():
    done = subprocess.run(
        [PYTHON, "-c", BEAT_LOADS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["tradingsite.tasks.beat", "False"]
