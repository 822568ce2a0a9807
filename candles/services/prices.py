"""The last price of a symbol, as the stream keeps it in Redis."""

from collections.abc import Sequence
from decimal import Decimal

import structlog
from redis.exceptions import RedisError

from candles.live.state import read_states
from foundation.redis import connection

logger = structlog.get_logger(__name__)


def last_prices(symbols: Sequence[str]) -> dict[str, Decimal]:
    """The last price of each symbol that has one; none at all while Redis is away."""
    try:
        states = read_states(connection(), symbols)
    except RedisError as error:
        logger.warning("prices.read_failed", error=str(error))
        return {}
    return {name: state.last_price for name, state in states.items()}
