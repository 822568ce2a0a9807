"""Lines about outages: the first at once, then ever rarer, with their count."""

import logging

import pytest
import structlog

from tradingsite import repeated_lines
from tradingsite.repeated_lines import BrokerLinesMadeRare, Repetitions, make_rare


class Clock:
    """Seconds that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch):
    monkeypatch.setattr(repeated_lines, "_repetitions", Repetitions())


def test_pauses_double_to_a_bound_and_lines_left_out_are_counted():
    clock = Clock()
    repetitions, shown = Repetitions(clock), []
    for second in range(2000):
        clock.now_s = second
        if (left_out := repetitions.left_out("database.unreachable")) is not None:
            shown.append((second, left_out))
    times = [second for second, _ in shown]
    assert times == [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215, 1515, 1815]
    assert [left_out for _, left_out in shown][:4] == [0, 4, 9, 19]


def test_after_a_minute_without_any_the_next_is_a_first_one():
    clock = Clock()
    repetitions = Repetitions(clock)
    assert repetitions.left_out("redis.unreachable") == 0
    clock.now_s += 1
    assert repetitions.left_out("redis.unreachable") is None
    assert repetitions.left_out("exchange.unreachable") == 0, "each kind has its own"
    clock.now_s += 61
    assert repetitions.left_out("redis.unreachable") == 0


def test_an_outage_names_what_brings_the_missing_part_once():
    event = make_rare(None, "warning", {"event": "redis.unreachable", "error": "Error 2"})
    assert "REDIS_URL" in event["remedy"]
    with pytest.raises(structlog.DropEvent):
        make_rare(None, "warning", {"event": "redis.unreachable", "error": "Error 2"})


def test_other_events_are_left_alone():
    event = {"event": "candle.repaired", "symbol": "BTCUSDT"}
    assert [make_rare(None, "info", dict(event)) for _ in range(3)] == [event] * 3


def test_what_celery_says_without_its_broker_is_one_line_with_the_remedy():
    text = "consumer: Cannot connect to %s: %s.\n%s\n"
    broker, wait = "redis+socket:///x", "Trying again in 2.00 seconds... (1/100)"
    records = [
        logging.LogRecord(
            "celery.worker", logging.ERROR, "", 1, text, (broker, "Error 2", wait), None
        )
        for _ in range(2)
    ]
    rare = BrokerLinesMadeRare()
    assert [rare.filter(record) for record in records] == [True, False]
    assert records[0].getMessage().startswith(f"consumer: Cannot connect to {broker}: Error 2.")
    assert "REDIS_URL" in records[0].getMessage()
    assert "\n" not in records[0].getMessage()
