"""Which failures mean that a server we need is away for now, and are no mistake of ours."""

import sqlite3

from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import TimeoutError as RedisSilent

AWAY = (BrokerAway, RedisAway, RedisSilent, OperationalError, InterfaceError)


def is_outage(error: BaseException) -> bool:
    """Whether to wait helps: the database, Redis or the broker is away, or too busy for us.

    SQLite calls a statement that it can't carry out, for want of a table, say, by the name that
    other databases keep for their absence.
    """
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return isinstance(error, AWAY) and code != sqlite3.SQLITE_ERROR
