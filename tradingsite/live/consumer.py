"""The WebSocket's edge."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from tradingsite.live import hub
from tradingsite.live.auth import Scope, credential, has_known_origin, may_read
from tradingsite.live.backpressure import monitor_transport
from tradingsite.live.client import ClientChannel, Filter, Refusal, Send

Receive = Callable[[], Awaitable[dict[str, Any]]]

PATHS = {"/", "/ws", "/ws/"}
MAX_CHARACTERS = 4096  # of a message from a client; pages have nothing to say


class DashboardConsumer:
    """Passes messages on to a client. Knows no model and decides nothing.

    A plain ASGI application: Channels' consumers subscribe to Redis for each socket and go
    through a thread for each event, and the hub needs neither.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if scope["path"] not in PATHS or not has_known_origin(scope):
            await send({"type": "websocket.close"})  # answered with 403
            return
        await send({"type": "websocket.accept"})
        channel = ClientChannel(send, None if settings.PUBLIC_READ else credential(scope))
        try:
            channel.filter = Filter.parse(scope["query_string"])
            await _check_reader(scope)
            await self._serve(channel, send, receive)
        except Refusal as refusal:
            await channel.refuse(refusal)

    async def _serve(self, channel: ClientChannel, send: Send, receive: Receive) -> None:
        monitor_transport(channel, send)
        ours = hub.current()
        try:
            await ours.join(channel)
            await _until_gone(receive)
        finally:
            ours.leave(channel)


async def _check_reader(scope: Scope) -> None:
    """Refuse strangers. Where reads are public, nobody is asked for, nor is the database."""
    if not settings.PUBLIC_READ and not await may_read(scope):
        detail = "sign in, or send a token as ?token=… or as header Authorization: Token …"
        raise Refusal(4401, "not_authenticated", detail)


async def _until_gone(receive: Receive) -> None:
    """Ignore what clients say, as long as it is short."""
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        said = event.get("text") or event.get("bytes") or ""
        if len(said) > MAX_CHARACTERS:
            raise Refusal(4413, "too_large", f"nothing longer than {MAX_CHARACTERS} is read here")
