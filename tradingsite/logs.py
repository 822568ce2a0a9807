"""Logging of the system: facts with names, one line each."""

import logging
import sys

import structlog
from celery.beat import SchedulingError

from foundation.outages import BROKER_OUTAGES

OUTAGES = (*BROKER_OUTAGES, SchedulingError, ConnectionError)


class OneLine(logging.Filter):
    """A part that is away gets one line, where libraries would print where they were each time."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], OUTAGES):
            record.msg, record.args = record.getMessage().splitlines()[0], ()
            record.exc_info = record.exc_text = None
        return True


def set_up() -> None:
    """Structured lines on standard error, in colour on a terminal; nothing below INFO.

    Libraries that log by themselves get a line for warnings and worse.
    """
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s"
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(OneLine())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default prints local variables, and one of those may be a secret.
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
