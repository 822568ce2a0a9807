"""How much room a socket's transport has, which ASGI does not tell.

daphne buffers without end for a client that does not read. Twisted, below it, tells the
producer that is registered with a transport: full beyond 64 KiB, room again when all of that is
written. daphne registers none for WebSockets, so the place is free.
"""

import asyncio
import socket
import time
from functools import partial

from daphne.ws_protocol import WebSocketProtocol

from tradingsite.live.client import Feed, Send

UNSENT_MOST = 16 * 1024  # bytes the kernel may hold for a client that does not read
CLOSE_WITHIN = 30.0  # seconds a slow client has to read why it was closed


class Valve:
    """Tells a feed when its transport is full and when it has room again.

    What Twisted calls a push producer, hence the names.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._flushing: asyncio.Task[None] | None = None

    def pauseProducing(self) -> None:  # noqa: N802
        if self._feed.full_since is None:
            self._feed.full_since = time.monotonic()

    def resumeProducing(self) -> None:  # noqa: N802
        self._feed.full_since = None
        if self._feed.backlog and not self._feed.held:
            self._flushing = asyncio.get_running_loop().create_task(self._feed.release())

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone; daphne tells the consumer."""


def heed(feed: Feed, send: Send) -> None:
    """Let `feed` know how its transport fares. Servers other than daphne hold `send` up.

    daphne hands out `send` as a partial of its reply function over the protocol object.
    """
    protocol = send.args[0] if isinstance(send, partial) and send.args else None
    if not isinstance(protocol, WebSocketProtocol):
        return
    transport = protocol.transport
    transport.unregisterProducer()  # the HTTP channel's, which has nothing more to produce
    transport.registerProducer(Valve(feed), True)
    # The default of one second drops a slow client before it has read the close code.
    protocol.closeHandshakeTimeout = CLOSE_WITHIN
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # else a client is noticed megabytes later
        handle = transport.getHandle()
        if handle.family in (socket.AF_INET, socket.AF_INET6):
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_MOST)
