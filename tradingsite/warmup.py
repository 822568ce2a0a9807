"""A worker process made ready before its first task, so that no order waits for it."""

import structlog
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from foundation import redis
from orders.venue.binance import exchange
from orders.venue.exchange import Busy

logger = structlog.get_logger(__name__)


def warm_up() -> None:
    """Open the connections that the way to an order needs; one that fails is opened later."""
    try:
        connection.ensure_connection()
        redis.connection().ping()
        exchange().keep_ready()
    except (DatabaseError, RedisError, Busy) as error:
        logger.warning("worker.warm_up_failed", error=str(error))
