"""Database and Redis from their addresses, and how they are reached.

An address may hold a password: where it cannot be used, its value is not shown.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import dj_database_url

from tradingsite.startup.env import BadSetting, env_str

SQLITE: dict[str, Any] = {
    "OPTIONS": {
        # Two writers with deferred transactions run into "database is locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,  # seconds
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
    "CONN_MAX_AGE": None,  # opening a file again costs more than a query
}
# A host that is gone without a word is noticed within ten seconds. One that is gone on our side
# leaves no locks behind for long, nor does anybody wait for one for ever.
POSTGRES_OPTIONS: dict[str, Any] = {
    "connect_timeout": 3,  # seconds, as are the others but one
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
}
# CONN_MAX_AGE has no effect under ASGI, so connections are pooled. The stream process has the
# most threads that may want one at once, ten, and one of them may have a stop to sell.
POOL = {"min_size": 1, "max_size": 12, "timeout": 2}
DATABASE_ALLOWED = "use postgres://user@host/name or sqlite:////path/to/file"
REDIS_ALLOWED = "use redis://host:port/0 or unix:///path"


def env_database(name: str, default: str) -> dict[str, Any]:
    """Django's settings of the database at an address: a file of SQLite's, or PostgreSQL's."""
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(env_str(name, default)))
    except ValueError:
        raise BadSetting(name, "…", DATABASE_ALLOWED) from None
    backend = found["ENGINE"].rpartition(".")[2]
    # SQLite in memory would be another database in each process.
    if backend not in {"sqlite3", "postgresql"} or found["NAME"] in {"", ":memory:"}:
        raise BadSetting(name, "…", DATABASE_ALLOWED)
    return found | (SQLITE if backend == "sqlite3" else _postgres(name, found.get("OPTIONS", {})))


def _postgres(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """`given` are the address's own options, as `?sslmode=require`."""
    import psycopg  # seven megabytes that SQLite needs none of
    from psycopg.conninfo import make_conninfo

    options = POSTGRES_OPTIONS | given
    try:
        make_conninfo(**options)
    except psycopg.ProgrammingError as error:
        allowed = f"after ? use what libpq knows ({str(error).strip()})"
        raise BadSetting(name, "…", allowed) from None
    return {"OPTIONS": options | {"pool": POOL}, "CONN_HEALTH_CHECKS": True}


def env_redis(name: str, default: str) -> str:
    """Address of a Redis: a host, with or without port and number of the database, or a socket."""
    url = env_str(name, default)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadSetting(name, "…", REDIS_ALLOWED) from None
    if parts.scheme == "unix":
        usable = len(parts.path) > 1
    else:
        usable = parts.scheme in {"redis", "rediss"} and host is not None
        usable = usable and re.fullmatch(r"(/\d{0,4})?", parts.path) is not None
    if not usable:
        raise BadSetting(name, "…", REDIS_ALLOWED)
    return url
