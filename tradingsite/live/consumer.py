"""The WebSocket's edge."""

from collections.abc import Awaitable, Callable
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings

from tradingsite.live import hub
from tradingsite.live.auth import known_origin, may_read
from tradingsite.live.backpressure import heed
from tradingsite.live.client import Feed, Refusal, Send, Wanted

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

PATHS = {"/", "/ws", "/ws/"}
HEARD_MOST = 4096  # characters; pages have nothing to say


class DashboardConsumer:
    """Passes on what is told. Knows no model and decides nothing.

    A plain ASGI application: channels' consumers subscribe to Redis for each socket and go
    through a thread for each event, and the hub needs neither.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        await receive()  # websocket.connect
        if scope["path"] not in PATHS or not known_origin(headers):
            await send({"type": "websocket.close"})  # answered with 403
            return
        await send({"type": "websocket.accept"})
        feed = Feed(send)
        try:
            feed.wanted = Wanted.of(scope["query_string"])
            if not settings.PUBLIC_READ:
                await _check_reader(headers, scope["query_string"])
            await self._serve(feed, send, receive)
        except Refusal as refusal:
            await feed.refuse(refusal)

    async def _serve(self, feed: Feed, send: Send, receive: Receive) -> None:
        heed(feed, send)
        ours = hub.current()
        try:
            await ours.join(feed)
            await _until_gone(receive)
        finally:
            ours.leave(feed)


async def _check_reader(headers: dict[bytes, bytes], query_string: bytes) -> None:
    allowed = database_sync_to_async(may_read, thread_sensitive=False)
    if not await allowed(headers, query_string):
        detail = "sign in, or send a token as ?token=… or as header Authorization: Token …"
        raise Refusal(4401, "not_authenticated", detail)


async def _until_gone(receive: Receive) -> None:
    """What clients say is ignored, as long as it is short."""
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        said = event.get("text") or event.get("bytes") or ""
        if len(said) > HEARD_MOST:
            raise Refusal(4413, "too_large", f"nothing longer than {HEARD_MOST} is read here")
