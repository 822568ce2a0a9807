"""Redis as the broker of tasks: kombu's transport, for which a closed connection is a lost one.

After a lost connection kombu 5.7 still acknowledges and gives back the messages of running tasks
over a channel that was closed, and finds no address there: an AttributeError, that no caller
expects, ends the worker. Callers expect errors of the connection: they log them and go on, and
what was not acknowledged within `visibility_timeout` is delivered anew.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as BrokerLostError


class BrokerChannel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            raise BrokerLostError("this connection to the broker was closed")
        found: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        return found  # the stubs know nothing of it


class BrokerTransport(redis.Transport):
    Channel = BrokerChannel


def register() -> None:
    """Have every address of a Redis lead here, with TLS and as a socket too."""
    ours = f"{__name__}:{BrokerTransport.__name__}"
    TRANSPORT_ALIASES.update(redis=ours, rediss=ours)
