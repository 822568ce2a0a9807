"""One channel-layer subscription a process, fanned out to its sockets.

A subscription per socket would cost Redis and this process a delivery each; here a message is
read once, its text is shared, and only its number differs from socket to socket.
"""

import asyncio
import time
from functools import partial
from typing import NamedTuple

import structlog
from channels.db import database_sync_to_async
from django.db import DatabaseError

from tradingsite.live import snapshot
from tradingsite.live.client import Feed, Refusal
from tradingsite.live.messages import FORMING, Conflation, Message, Told, written
from tradingsite.live.snapshot import Snapshot
from tradingsite.live.subscription import Subscription
from tradingsite.stream_status import Gist, Streams

LOOK_EVERY = 1.0  # seconds
STATUS_EVERY = 10.0  # seconds
SUBSCRIBED_WITHIN = 2.0  # seconds a new socket waits for the subscription
SENDS_AT_A_STRETCH = 50  # some 64 us each; then others have their turn

logger = structlog.get_logger(__name__)


class Hub:
    """Brings everything told in the group to every feed that wants it. Lives in one loop."""

    def __init__(self) -> None:
        self.feeds: set[Feed] = set()
        self._subscription = Subscription(self._take, self._lost)
        self._forming: Conflation[Told] = Conflation()
        self._some_forming = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._building: asyncio.Task[None] | None = None
        self._stream: Gist | None = None  # as last told

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._subscription.listen())
            tasks.create_task(self._subscription.watch())
            tasks.create_task(self._show_forming())
            tasks.create_task(self._look_after_stream())
            tasks.create_task(self._look_after_feeds())

    async def join(self, feed: Feed) -> None:
        """Send the snapshot and what was told since; then whatever comes. Raises Refusal."""
        try:
            async with asyncio.timeout(SUBSCRIBED_WITHIN):
                await self._subscription.ready.wait()
        except TimeoutError:  # it gets what the database knows, and the rest when Redis is back
            logger.debug("live.not_subscribed")
        current = await self._current_snapshot()
        text = current.text(feed.wanted)
        self._stream = self._stream or current.stream
        for message in current.since:
            if feed.wanted.wants(message):
                feed.backlog.add(message)
        self.feeds.add(feed)
        await feed.tell(text)
        await feed.release()

    def leave(self, feed: Feed) -> None:
        self.feeds.discard(feed)

    async def _current_snapshot(self) -> Snapshot:
        """One that still collects what is told, so that nothing falls between."""
        while True:
            current, building = self._snapshot, self._building
            if current is None or building is None or not current.lasts:
                self._snapshot = current = Snapshot()
                self._building = building = asyncio.create_task(current.build())
            try:
                await asyncio.shield(building)  # of use to others even when this socket goes
            except DatabaseError as error:
                self._snapshot = None
                logger.warning("live.no_snapshot", error=str(error))
                detail = "the database does not answer; connect again"
                raise Refusal(4503, "unavailable", detail) from error
            if current is self._snapshot and current.lasts:
                return current

    async def _take(self, message: Told) -> None:
        if message.type == FORMING and message.symbol is not None:
            self._forming.take(message.symbol, message)
            self._some_forming.set()
        else:
            await self._deliver(message)

    async def _show_forming(self) -> None:
        """Several stream processes share the places of a second, so they are dealt out here."""
        while True:
            wait_ms = self._forming.wait_ms(_now_ms())
            if wait_ms is None:
                self._some_forming.clear()
                await self._some_forming.wait()
            elif wait_ms:
                await asyncio.sleep(wait_ms / 1000)
            elif due := self._forming.due(_now_ms()):
                await self._deliver(due[1])

    async def _deliver(self, message: Told) -> None:
        if self._snapshot is not None and self._snapshot.lasts:
            self._snapshot.since.append(message)
        wanting = [feed for feed in self.feeds if feed.wanted.wants(message)]
        for count, feed in enumerate(wanting, 1):
            await feed.offer(message)
            if count % SENDS_AT_A_STRETCH == 0:
                await asyncio.sleep(0)

    async def _lost(self) -> None:
        """Messages are missing, nobody knows which: a number is left out, and pages ask again."""
        self._snapshot = None  # what it collected since is incomplete
        if not self.feeds:
            return
        logger.info("live.gap", feeds=len(self.feeds))
        for feed in self.feeds:
            feed.seq += 1
        await self._tell_status()

    async def _look_after_stream(self) -> None:
        """A stream process that died cannot say so; nor can a line that is cut, so even where
        nothing happens pages hear of us.
        """
        told_at = time.monotonic()
        while True:
            if self.feeds:
                stream = (await asyncio.to_thread(Streams.read)).gist
                if stream != self._stream or time.monotonic() - told_at > STATUS_EVERY:
                    self._stream, told_at = stream, time.monotonic()
                    await self._tell_status()
            await asyncio.sleep(LOOK_EVERY)

    async def _tell_status(self) -> None:
        read = database_sync_to_async(snapshot.status_json, thread_sensitive=False)
        try:
            status = await read()
        except DatabaseError as error:
            self._stream = None  # look again
            logger.warning("live.no_status", error=str(error))
        else:
            await self._deliver(written(Message("status", None, status)))

    async def _look_after_feeds(self) -> None:
        """Close those that do not keep up even without the forming candles."""
        while True:
            now = time.monotonic()
            for feed in [feed for feed in self.feeds if feed.too_slow(now)]:
                self.feeds.discard(feed)
                logger.info("live.too_slow", told=feed.seq)
                await feed.close(4008, "too slow: connect again")
            await asyncio.sleep(LOOK_EVERY)


class _Running(NamedTuple):
    loop: asyncio.AbstractEventLoop
    hub: Hub
    task: "asyncio.Task[None]"


_running: _Running | None = None


def current() -> Hub:
    """The hub of the running event loop, started on first use."""
    global _running  # noqa: PLW0603  # one a process
    loop = asyncio.get_running_loop()
    if _running is None or _running.loop is not loop or _running.task.done():
        hub = Hub()
        _running = _Running(loop, hub, loop.create_task(hub.run()))
        _running.task.add_done_callback(partial(_ended, hub))
    return _running.hub


def _ended(hub: Hub, task: "asyncio.Task[None]") -> None:
    """Its pages would stand still; closed, they come back and find a new hub."""
    if task.cancelled():
        return
    logger.error("live.hub_failed", exc_info=task.exception())
    closing = [feed.close(4503, "connect again") for feed in hub.feeds]
    asyncio.gather(*closing)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
