"""Publishing to every open page, from any process: `publish` and be done.

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
from tradingsite.live.messages import (
    Backlog,
    Conflation,
    EncodedMessage,
    Message,
    count_reliable,
    encode,
)

__all__ = ["Conflation", "Message", "publish", "publish_status"]

GROUP = "live"
MAX_QUEUE = 10_000  # messages; some seconds of a very busy system
REDIS_TIMEOUT_S = 5.0
RETRY_S = 0.5
CLOSING_BATCH_AFTER_S = 1.0
FLUSH_TIMEOUT_S = 1.0

logger = structlog.get_logger(__name__)


def publish(messages: Sequence[Message]) -> None:
    """Hand `messages` over for sending. Never blocks and never fails for want of Redis."""
    if messages:
        _publisher().put([encode(message) for message in messages])


def publish_status() -> None:
    """Publish the status of stream, worker and halt, as read from where they are kept."""
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
        self.backlog = Backlog(MAX_QUEUE)
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._awake = False
        self._idle = threading.Event()
        threading.Thread(target=self._run, name="live", daemon=True).start()

    def put(self, messages: Sequence[EncodedMessage]) -> None:
        with self._lock:
            for message in messages:
                self.backlog.append(message)
            self._idle.clear()
            if not self._awake:
                self._awake = True
                self._loop.call_soon_threadsafe(self._wake.set)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put is sent, or `timeout_s` seconds have gone."""
        return self._idle.wait(timeout_s)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        following = False
        while True:
            try:
                async with asyncio.timeout(CLOSING_BATCH_AFTER_S if following else None):
                    await self._wake.wait()
            except TimeoutError:
                following = False
            else:
                following = True
            self._wake.clear()
            if not await self._sent(self._next_batch()):
                await self._retry()
            self._mark_idle()

    def _next_batch(self) -> dict[str, Any]:
        with self._lock:
            self._awake = False
            messages = self.backlog.drain()
            after = self.backlog.appended - count_reliable(messages)
        return {"type": GROUP, "from": self.name, "after": after, "messages": messages}

    async def _sent(self, batch: dict[str, Any]) -> bool:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                await get_channel_layer().group_send(GROUP, batch)
        except REDIS_OUTAGES as error:
            logger.debug("live.batch_lost", messages=len(batch["messages"]), error=str(error))
            return False
        return True

    async def _retry(self) -> None:
        started = time.monotonic()
        logger.warning("live.publish_failed", remedy="pages fall behind until Redis answers again")
        while True:
            await asyncio.sleep(RETRY_S)
            if await self._sent(self._next_batch()):
                break
        waited = round(time.monotonic() - started, 1)
        logger.info("live.publish_resumed", after_seconds=waited, dropped=self.backlog.dropped)

    def _mark_idle(self) -> None:
        with self._lock:
            if not self._awake:
                self._idle.set()


_current: Publisher | None = None
_creating = threading.Lock()


def _publisher() -> Publisher:
    global _current  # noqa: PLW0603  # one a process
    if _current is None:
        with _creating:
            if _current is None:
                _current = Publisher()
                atexit.register(_current.flush, FLUSH_TIMEOUT_S)
    return _current


def _forget() -> None:
    """A forked child inherits the publisher but not its thread."""
    global _current, _creating
    _current, _creating = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
