"""The process's subscription to the group: receives what is published, and notices gaps.

Redis's publish and subscribe keeps nothing. Two things show that something was lost: a batch
whose number does not follow on its publisher's last one, and a beat, sent to ourselves every
second, that does not come back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from channels.layers import get_channel_layer

from foundation.outages import REDIS_OUTAGES
from tradingsite.live.messages import EncodedMessage, count_reliable
from tradingsite.live.publisher import GROUP, REDIS_TIMEOUT_S

BEAT_EVERY_S = 1.0
RETRY_S = 1.0
SILENT_AFTER_S = 10.0  # without even our own beat: subscribe anew
MAX_PUBLISHERS = 1_000

logger = structlog.get_logger(__name__)


class Subscription:
    """Hands every message to `on_message`, in order, and calls `on_gap` when some were missed."""

    def __init__(
        self,
        on_message: Callable[[EncodedMessage], Awaitable[None]],
        on_gap: Callable[[], Awaitable[None]],
    ) -> None:
        self.ready = asyncio.Event()
        self._on_message = on_message
        self._on_gap = on_gap
        self._channel = ""
        self._expected: dict[str, int] = {}  # publisher -> number of its next message
        self._beat = self._echo = 0
        # It prints a traceback a second while Redis is away; we say it once.
        logging.getLogger("channels_redis.pubsub").setLevel(logging.CRITICAL)

    async def listen(self) -> None:
        late = False
        while True:
            try:
                await self._subscribe()
                if late:
                    await self._on_gap()
                while True:
                    async with asyncio.timeout(SILENT_AFTER_S):
                        batch = await get_channel_layer().receive(self._channel)
                    await self._receive_batch(batch)
            except REDIS_OUTAGES as error:
                logger.debug("live.subscribe_failed", error=str(error))
                late = True
                await asyncio.sleep(RETRY_S)

    async def monitor(self) -> None:
        """Send the beat, and say when it stays away and when it is back."""
        await self.ready.wait()
        cut = False
        while True:
            echoed = self._echo == self._beat
            returned = await self._send_beat() and echoed
            if cut and returned:
                logger.info("live.beat_returned")
                await self._on_gap()
            elif not cut and not returned:
                logger.warning("live.beat_lost", remedy="pages fall behind until Redis is back")
            cut = not returned
            await asyncio.sleep(BEAT_EVERY_S)

    async def _subscribe(self) -> None:
        layer = get_channel_layer()
        await layer.flush()  # what a failed attempt left behind
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            self._channel = await layer.new_channel()
            await layer.group_add(GROUP, self._channel)
        self.ready.set()

    async def _send_beat(self) -> bool:
        beat = {"type": "beat", "beat": self._beat + 1}
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                await get_channel_layer().send(self._channel, beat)
        except REDIS_OUTAGES:
            return False
        self._beat += 1
        return True

    async def _receive_batch(self, batch: dict[str, Any]) -> None:
        if batch["type"] == "beat":
            self._echo = batch["beat"]
            return
        messages = [EncodedMessage(*message) for message in batch["messages"]]
        publisher, after = batch["from"], batch["after"]
        if self._expected.pop(publisher, after) != after:
            await self._on_gap()
        self._expected[publisher] = after + count_reliable(messages)
        if len(self._expected) > MAX_PUBLISHERS:
            del self._expected[next(iter(self._expected))]  # silent for longest
        for message in messages:
            await self._on_message(message)
