"""Backpressure of a socket's transport, which ASGI does not pass on.

daphne buffers without end for a client that does not read. Twisted, below it, notifies the
producer that is registered with a transport: full beyond 64 KiB, room again when all of that is
written. daphne registers none for WebSockets, so ours can be.
"""

import asyncio
import socket
import time
from functools import partial

from daphne.ws_protocol import WebSocketProtocol

from tradingsite.live.client import ClientChannel, Send

MAX_UNSENT_BYTES = 16 * 1024  # bytes the kernel may hold for a client that does not read
CLOSE_TIMEOUT_S = 30.0  # a slow client has so long to read why it was closed


class TransportMonitor:
    """Notes in a channel when its transport is full and when it has room again.

    A push producer of Twisted's, hence the names.
    """

    def __init__(self, channel: ClientChannel) -> None:
        self._channel = channel
        self._flushing: asyncio.Task[None] | None = None

    def pauseProducing(self) -> None:  # noqa: N802
        if self._channel.full_since is None:
            self._channel.full_since = time.monotonic()

    def resumeProducing(self) -> None:  # noqa: N802
        self._channel.full_since = None
        if self._channel.backlog and not self._channel.paused:
            self._flushing = asyncio.get_running_loop().create_task(self._channel.resume())

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone; daphne tells the consumer."""


def monitor_transport(channel: ClientChannel, send: Send) -> None:
    """Let `channel` know when its transport is full. Servers other than daphne hold `send` up.

    daphne hands out `send` as a partial of its reply function over the protocol object.
    """
    protocol = send.args[0] if isinstance(send, partial) and send.args else None
    if not isinstance(protocol, WebSocketProtocol):
        return
    transport = protocol.transport
    transport.unregisterProducer()  # the HTTP channel's, which has nothing more to produce
    transport.registerProducer(TransportMonitor(channel), True)
    # The default of one second drops a slow client before it has read the close code.
    protocol.closeHandshakeTimeout = CLOSE_TIMEOUT_S
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # else a client is noticed megabytes later
        handle = transport.getHandle()
        if handle.family in (socket.AF_INET, socket.AF_INET6):
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
