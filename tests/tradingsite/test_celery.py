"""Tasks while the database or Redis is away."""

import pytest
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from tradingsite.celery import app


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


def test_a_mistake_of_ours_keeps_its_traceback(caplog):
    @app.task(name="tests.wrong", shared=False)
    def wrong() -> None:
        raise ValueError("wrong")

    wrong.apply()
    assert "Traceback" in caplog.text
