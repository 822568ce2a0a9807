"""Logging of the system: facts with names, one line each."""

import logging
import re
import sys
from typing import Any

import structlog
from celery.beat import SchedulingError

from foundation.outages import BROKER_OUTAGES
from tradingsite.repeated_lines import BrokerLinesMadeRare, make_rare

SECRET = re.compile(
    r"(\b(?:signature|token|csrftoken|sessionid|api_?key|listen_?key|secret|password|x-mbx-apikey)"
    r"['\"]?\s?[=:]\s?['\"]?)[^\s&'\",;)]+"
    r"|(?<=Token )[\w-]{20,}"
    r"|(?<=://)[^\s/@]+(?=@)",  # user and password of an address
    re.IGNORECASE,
)
OUTAGES = (*BROKER_OUTAGES, SchedulingError, ConnectionError)


class OneLine(logging.Filter):
    """A part that is away gets one line, where libraries would print where they were each time."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], OUTAGES):
            record.msg, record.args = record.getMessage().splitlines()[0], ()
            record.exc_info = record.exc_text = None
        return True


FILTERS = (OneLine(), BrokerLinesMadeRare())  # a handler takes each of them once


def redacted(text: str) -> str:
    """`text` without the values that let somebody in: signatures, keys, tokens, sessions,
    passwords.
    """
    return SECRET.sub(r"\1…", text)


class Redacting(logging.Formatter):
    """Keeps secrets out of every line, tracebacks included, whichever library wrote it."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def _redact(_: Any, __: str, line: Any) -> str:
    return redacted(line)


def set_up() -> None:
    """Structured lines on standard error, in colour on a terminal; nothing below INFO.

    Libraries that log by themselves get a line for warnings and worse.
    """
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        for each in FILTERS:
            handler.addFilter(each)
        handler.setFormatter(Redacting("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    structlog.configure(
        processors=[
            make_rare,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default prints local variables, and one of those may be a secret.
                exception_formatter=structlog.dev.plain_traceback,
            ),
            _redact,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
