"""Outages: the failures that mean a server we need is away for now, and are no mistake of ours."""

import sqlite3

from django.db import DatabaseError, InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

DATABASE_OUTAGES = (OperationalError, InterfaceError)
REDIS_OUTAGES = (RedisError, OSError)  # whatever a broken or silent connection raises
BROKER_OUTAGES = (BrokerError, RedisConnectionError, RedisTimeoutError)  # Redis is the broker
OUTAGES = (*DATABASE_OUTAGES, *BROKER_OUTAGES)
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
RETRY_S = 0.5  # until a server that is away is asked again


def is_outage(error: BaseException) -> bool:
    """True where waiting helps: the database, Redis or the broker is away, or too busy for us.

    SQLite calls a statement that it can't carry out, for want of a table, say, by the name that
    other databases keep for their absence.
    """
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return isinstance(error, OUTAGES) and code != sqlite3.SQLITE_ERROR


def is_damage(error: BaseException) -> bool:
    """True where SQLite finds its file damaged: waiting does not help, a backup does."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return isinstance(error, DatabaseError) and code is not None and code & 0xFF in DAMAGE
