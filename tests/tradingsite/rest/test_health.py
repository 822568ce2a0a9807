import json
import threading
import time
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis

from foundation.times import now_ms
from market.models import Symbol
from orders.models import Alarm
from orders.venue.account_stream import STATE_KEY
from tests.builders import NOON, symbol, tick
from tests.clients import promised, redis_away, stranger, user, with_session
from tests.rows import order, write_stream
from tests.servers import HANG_S
from tradingsite.live.snapshot import status_json
from tradingsite.rest import health_checks
from tradingsite.rest.health_checks import HealthCheck, database, worker
from tradingsite.tasks import beat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_checks, "ANSWER_TIMEOUT_S", HANG_S)


@pytest.fixture
def system(redis: Redis) -> Redis:
    """A database with a followed symbol, a stream that runs and a worker that answers."""
    symbol("BTCUSDT")
    write_stream(redis, [tick("61000", time_ms=now_ms())])
    write_account_stream(redis)
    beat()
    return redis


def write_account_stream(redis: Redis, *, subscribed: bool = True) -> None:
    stands = {"subscribed": subscribed, "last_frame_ms": now_ms(), "error": "refused"}
    redis.set(STATE_KEY, json.dumps(stands))


def ask() -> tuple[int, Any]:
    response = stranger().get("/health")
    return response.status_code, promised(response, "/health")


def failing() -> dict[str, Any]:
    status, answer = ask()
    assert (status, answer["status"]) == (503, "failing")
    return {name: part for name, part in answer["parts"].items() if not part["ok"]}


def test_a_system_that_works_is_healthy(system: Redis) -> None:
    status, answer = ask()
    assert (status, answer["status"]) == (200, "ok")
    parts = answer["parts"]
    assert set(parts) == {
        "database", "redis", "stream", "worker", "exchange_clock", "unanswered_orders",
        "account_stream", "reconciliation",
    }  # fmt: skip
    assert parts["stream"]["symbols"]["BTCUSDT"]["state"] == "live"
    assert parts["stream"]["lag_ms"] == 3
    assert parts["exchange_clock"]["offset_ms"] == 2
    assert parts["unanswered_orders"] == {"ok": True, "count": 0, "oldest_age_ms": None}


def test_a_fresh_system_says_what_is_not_running_yet(redis: Redis) -> None:
    parts = failing()
    assert set(parts) == {"stream", "worker", "exchange_clock", "account_stream"}
    assert "runstream" in parts["stream"]["error"]
    assert "celery" in parts["worker"]["error"]


def test_a_stream_without_connection_is_failing(system: Redis) -> None:
    write_stream(system, [tick(tick_id=2, time_ms=now_ms())], connected=False)
    parts = failing()
    assert set(parts) == {"stream"}
    assert "not connected" in parts["stream"]["error"]
    assert parts["stream"]["symbols"]["BTCUSDT"]["state"] == "down"


def test_a_stream_process_that_is_gone_is_failing(system: Redis) -> None:
    write_stream(system, [tick(tick_id=2, time_ms=now_ms())], beat_ms=now_ms() - 60_000)
    assert "no stream process responds" in failing()["stream"]["error"]


def test_a_quiet_market_is_no_failure(system: Redis) -> None:
    hour_ago = now_ms() - 3_600_000
    write_stream(system, [tick(tick_id=2, time_ms=hour_ago)], last_frame_ms=hour_ago)
    assert ask()[0] == 200


def test_a_worker_that_fell_silent_is_failing(system: Redis) -> None:
    system.set("worker:beat", now_ms() - 31_000)
    assert "31 s" in failing()["worker"]["error"]


def test_a_clock_that_the_exchange_would_refuse_is_failing(system: Redis) -> None:
    write_stream(system, [tick(tick_id=2, time_ms=now_ms())], clock_offset_ms=-1500)
    assert failing()["exchange_clock"]["offset_ms"] == -1500


def test_an_order_long_without_an_answer_is_failing(system: Redis) -> None:
    order(Symbol.objects.get(), status="UNKNOWN")  # sent on 2 January
    part = failing()["unanswered_orders"]
    assert part["count"] == 1
    assert part["oldest_age_ms"] > 60_000


def test_an_account_stream_without_subscription_is_failing(system: Redis) -> None:
    write_account_stream(system, subscribed=False)
    assert "refused" in failing()["account_stream"]["error"]


def test_books_that_do_not_agree_are_failing(system: Redis) -> None:
    raised = {"since": NOON, "raised_at": NOON}
    Alarm.objects.create(symbol=Symbol.objects.get(), text="holds 1 BTC too many", **raised)
    part = failing()["reconciliation"]
    assert part["alarms"][0]["text"] == "holds 1 BTC too many"
    assert status_json()["alarms"] == ["BTCUSDT: holds 1 BTC too many"]


def test_a_dead_redis_is_told_at_once(system: Redis) -> None:
    with redis_away():
        parts = failing()
    assert set(parts) == {"redis", "stream", "worker", "exchange_clock", "account_stream"}
    assert all(part["error"] for part in parts.values())
    assert not any("no answer" in part["error"] for part in parts.values())


def test_a_part_that_hangs_holds_up_neither_the_answer_nor_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    started = []
    # Read as it begins, for the part that answers and, when time is up, for the one that hangs.
    seconds = cycle([0.0, 0.0, HANG_S])
    clock = SimpleNamespace(monotonic=lambda: next(seconds), perf_counter=time.perf_counter)
    monkeypatch.setattr(health_checks, "time", clock)

    def hangs() -> dict[str, Any]:
        started.append(1)
        released.wait(HANG_S)
        return {}

    checks = {"database": HealthCheck(database), "hangs": HealthCheck(hangs)}
    for _ in range(3):
        parts = health_checks.run_checks(checks)
        assert parts["database"]["ok"]
        assert "no answer" in parts["hangs"]["error"]
    released.set()
    assert len(started) == 1  # the first was still at it


def test_whatever_a_part_raises_is_reported_and_not_raised() -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("first line\nsecond line")

    assert health_checks.run_checks({"part": HealthCheck(broken)}) == {
        "part": {"ok": False, "error": "RuntimeError: first line"}
    }


def test_where_reads_are_closed_strangers_learn_the_status_alone(
    system: Redis, settings: Settings
) -> None:
    settings.PUBLIC_READ = False
    assert ask() == (200, {"status": "ok"})
    client = with_session(user())
    assert promised(client.get("/health"), "/health")["parts"]["worker"]["ok"]


def test_a_worker_answers_by_the_beat_task(redis: Redis) -> None:
    beat()
    assert worker()["beat_age_ms"] < 5000
