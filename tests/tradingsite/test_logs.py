import logging
import sys

import pytest
from kombu.exceptions import OperationalError

from tradingsite import logs
from tradingsite.logs import OneLine


def record(error: Exception) -> logging.LogRecord:
    info = (type(error), error, None)
    text = "Message Error: %s\n%s"
    return logging.LogRecord("celery.beat", logging.ERROR, "", 1, text, (error, "File …"), info)


def test_a_part_that_is_away_gets_one_line() -> None:
    told = record(OperationalError("Error 111"))
    assert OneLine().filter(told)
    assert (told.getMessage(), told.exc_info) == ("Message Error: Error 111", None)


def test_what_is_a_fault_keeps_its_traceback() -> None:
    told = record(ValueError("a fault"))
    assert OneLine().filter(told)
    assert told.exc_info is not None


SIGNED = "/api/v3/order?symbol=BTCUSDT&timestamp=1&signature=" + "ab12" * 16


@pytest.mark.parametrize(
    "line",
    [
        f"Retrying (Retry(total=0)) after connection broken: {SIGNED}",
        f'http://127.0.0.1:9090 "POST {SIGNED} HTTP/1.1" 200 None',
        "GET /ws/?token=s3cret-t0ken-of-somebody&types=candle",
        "{'Authorization': 'Token s3cret-t0ken-of-somebody'}",
        "X-MBX-APIKEY: s3cret-t0ken-of-somebody",
        "password='s3cret-t0ken-of-somebody'",
        "Cookie: csrftoken=s3cret-t0ken-of-somebody; sessionid=s3cret-session",
        "cannot connect to postgres://trader:s3cret-of-somebody@db:5432/trading",
        "Error connecting to redis://:s3cret-of-somebody@redis:6379/0",
    ],
)
def test_no_line_of_any_library_holds_a_secret(line: str) -> None:
    record = logging.LogRecord("urllib3", logging.WARNING, "", 0, "%s", (line,), None)
    written = logs.Redacting("%(message)s").format(record)
    assert "ab12" not in written
    assert "s3cret" not in written
    assert written[:3] == line[:3]


def test_a_traceback_holds_no_secret_either() -> None:
    try:
        raise ConnectionError(f"Max retries exceeded with url: {SIGNED}")
    except ConnectionError:
        record = logging.LogRecord("urllib3", logging.ERROR, "", 0, "lost", (), sys.exc_info())
    written = logs.Redacting("%(message)s").format(record)
    assert "Max retries" in written
    assert "ab12" not in written
