import logging

from kombu.exceptions import OperationalError

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
