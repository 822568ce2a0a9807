"""Tells every open page what happened, from any process: `publish` and be done.

A process keeps one thread with an event loop for it. `async_to_sync(group_send)` from
synchronous code sets a loop up for every call, twenty times the cost of handing over here.
Delivery is at most once; what got lost is noticed by the hubs, and pages then ask the API.
"""

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import structlog
from channels.layers import get_channel_layer

from foundation.outages import REDIS_OUTAGES
from tradingsite.live import snapshot
from tradingsite.live.messages import Backlog, Conflation, Message, Told, important, written

__all__ = ["Conflation", "Message", "publish", "status"]

GROUP = "live"
QUEUE_MOST = 10_000  # messages; some seconds of a very busy system
REDIS_ANSWERS_WITHIN = 5.0  # seconds
RETRY_AFTER = 0.5  # seconds
LAST_WORD_AFTER = 1.0  # seconds
FLUSH_WITHIN = 1.0  # seconds

logger = structlog.get_logger(__name__)


def publish(messages: Sequence[Message]) -> None:
    """Hand `messages` over for telling. Never blocks and never fails for want of Redis."""
    if messages:
        _publisher().put([written(message) for message in messages])


def status() -> None:
    """Tell how the stream and the halt stand now, as read from where they are kept."""
    publish([Message("status", None, snapshot.status_json())])


class Publisher:
    """One process's thread that sends to the group.

    Every batch says how many messages (forming ones apart) its publisher had before it, the
    dropped ones included, so that a hub sees when one never came. After a failure, and once
    things have gone quiet, a batch goes out even if it is empty: else nobody would learn that
    the last one was lost.
    """

    def __init__(self) -> None:
        self.name = uuid4().hex
        self.backlog = Backlog(QUEUE_MOST)
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._awake = False
        self._idle = threading.Event()
        threading.Thread(target=self._run, name="live", daemon=True).start()

    def put(self, messages: Sequence[Told]) -> None:
        with self._lock:
            for message in messages:
                self.backlog.add(message)
            self._idle.clear()
            if not self._awake:
                self._awake = True
                self._loop.call_soon_threadsafe(self._wake.set)

    def flush(self, within: float) -> bool:
        """Wait until all that was put is sent, or `within` seconds have gone."""
        return self._idle.wait(within)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        following = False
        while True:
            try:
                async with asyncio.timeout(LAST_WORD_AFTER if following else None):
                    await self._wake.wait()
            except TimeoutError:
                following = False
            else:
                following = True
            self._wake.clear()
            if not await self._sent(self._next_batch()):
                await self._catch_up()
            self._rest()

    def _next_batch(self) -> dict[str, Any]:
        with self._lock:
            self._awake = False
            messages = self.backlog.drain()
            after = self.backlog.added - important(messages)
        return {"type": GROUP, "from": self.name, "after": after, "messages": messages}

    async def _sent(self, batch: dict[str, Any]) -> bool:
        try:
            async with asyncio.timeout(REDIS_ANSWERS_WITHIN):
                await get_channel_layer().group_send(GROUP, batch)
        except REDIS_OUTAGES as error:
            logger.debug("live.unsent", messages=len(batch["messages"]), error=str(error))
            return False
        return True

    async def _catch_up(self) -> None:
        started = time.monotonic()
        logger.warning("live.cut", remedy="pages fall behind until Redis answers again")
        while True:
            await asyncio.sleep(RETRY_AFTER)
            if await self._sent(self._next_batch()):
                break
        waited = round(time.monotonic() - started, 1)
        logger.info("live.healed", after_seconds=waited, dropped=self.backlog.dropped)

    def _rest(self) -> None:
        with self._lock:
            if not self._awake:
                self._idle.set()


_current: Publisher | None = None
_making = threading.Lock()


def _publisher() -> Publisher:
    global _current  # noqa: PLW0603  # one a process
    if _current is None:
        with _making:
            if _current is None:
                _current = Publisher()
                atexit.register(_current.flush, FLUSH_WITHIN)
    return _current


def _forget() -> None:
    """A forked child inherits the publisher but not its thread."""
    global _current, _making
    _current, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
