"""The process's place in the group: hears what publishers tell, and notices what it missed.

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
from tradingsite.live.messages import Told, important
from tradingsite.live.publisher import GROUP, REDIS_ANSWERS_WITHIN

BEAT = 1.0  # seconds
RETRY_AFTER = 1.0  # seconds
DEAF_AFTER = 10.0  # seconds without even our own beat: subscribe anew
PUBLISHERS_MOST = 1_000

logger = structlog.get_logger(__name__)


class Subscription:
    """Hands every message to `take`, in order, and calls `lost` when some were missed."""

    def __init__(
        self,
        take: Callable[[Told], Awaitable[None]],
        lost: Callable[[], Awaitable[None]],
    ) -> None:
        self.ready = asyncio.Event()
        self._take = take
        self._lost = lost
        self._channel = ""
        self._expected: dict[str, int] = {}  # publisher -> how many messages it has told
        self._beat = self._echo = 0
        # It prints a traceback a second while Redis is away; we say it once.
        logging.getLogger("channels_redis.pubsub").setLevel(logging.CRITICAL)

    async def listen(self) -> None:
        late = False
        while True:
            try:
                await self._subscribe()
                if late:
                    await self._lost()
                while True:
                    async with asyncio.timeout(DEAF_AFTER):
                        batch = await get_channel_layer().receive(self._channel)
                    await self._read(batch)
            except REDIS_OUTAGES as error:
                logger.debug("live.no_subscription", error=str(error))
                late = True
                await asyncio.sleep(RETRY_AFTER)

    async def watch(self) -> None:
        """Send the beat, and say when it stays away and when it is back."""
        await self.ready.wait()
        cut = False
        while True:
            echoed = self._echo == self._beat
            heard = await self._send_beat() and echoed
            if cut and heard:
                logger.info("live.heard_again")
                await self._lost()
            elif not cut and not heard:
                logger.warning("live.unheard", remedy="pages fall behind until Redis is back")
            cut = not heard
            await asyncio.sleep(BEAT)

    async def _subscribe(self) -> None:
        layer = get_channel_layer()
        await layer.flush()  # what a failed attempt left behind
        async with asyncio.timeout(REDIS_ANSWERS_WITHIN):
            self._channel = await layer.new_channel()
            await layer.group_add(GROUP, self._channel)
        self.ready.set()

    async def _send_beat(self) -> bool:
        beat = {"type": "beat", "beat": self._beat + 1}
        try:
            async with asyncio.timeout(REDIS_ANSWERS_WITHIN):
                await get_channel_layer().send(self._channel, beat)
        except REDIS_OUTAGES:
            return False
        self._beat += 1
        return True

    async def _read(self, batch: dict[str, Any]) -> None:
        if batch["type"] == "beat":
            self._echo = batch["beat"]
            return
        messages = [Told(*message) for message in batch["messages"]]
        publisher, after = batch["from"], batch["after"]
        if self._expected.pop(publisher, after) != after:
            await self._lost()
        self._expected[publisher] = after + important(messages)
        if len(self._expected) > PUBLISHERS_MOST:
            del self._expected[next(iter(self._expected))]  # silent for longest
        for message in messages:
            await self._take(message)
