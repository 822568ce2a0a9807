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

from accounts.services import valid
from tradingsite.live import snapshot
from tradingsite.live.client import ClientChannel, Refusal
from tradingsite.live.messages import FORMING, Conflation, EncodedMessage, Message, encode
from tradingsite.live.snapshot import Snapshot
from tradingsite.live.stream_status import Streams, StreamSummary
from tradingsite.live.subscription import Subscription

CHECK_EVERY_S = 1.0
STATUS_EVERY_S = 10.0
REVOKED_EVERY_S = 2.0
SUBSCRIBE_TIMEOUT_S = 2.0  # a new socket waits for the subscription
SENDS_WITHOUT_PAUSE = 50  # some 64 us each; then others have their turn

logger = structlog.get_logger(__name__)


class Hub:
    """Brings everything published in the group to every channel whose filter it passes. Lives in
    one loop."""

    def __init__(self) -> None:
        self.channels: set[ClientChannel] = set()
        self._subscription = Subscription(self._receive, self._mark_gap)
        self._forming: Conflation[EncodedMessage] = Conflation()
        self._forming_waits = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._building: asyncio.Task[None] | None = None
        self._stream: StreamSummary | None = None  # as last sent
        self.has_ended = False

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._subscription.listen())
            tasks.create_task(self._subscription.monitor())
            tasks.create_task(self._send_forming())
            tasks.create_task(self._watch_stream())
            tasks.create_task(self._close_slow_channels())
            tasks.create_task(self._close_revoked_channels())

    async def join(self, channel: ClientChannel) -> None:
        """Send the snapshot and the messages since; then whatever comes. Raises Refusal."""
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                await self._subscription.ready.wait()
        except TimeoutError:  # it gets what the database knows, and the rest when Redis is back
            logger.debug("live.subscribe_timed_out")
        current = await self._current_snapshot()
        if self.has_ended:
            raise Refusal(4503, "unavailable", "connect again")
        text = current.text(channel.filter)
        self._stream = self._stream or current.stream
        for message in current.since:
            if channel.filter.passes(message):
                channel.backlog.append(message)
        self.channels.add(channel)
        await channel.send_text(text)
        await channel.resume()

    def leave(self, channel: ClientChannel) -> None:
        self.channels.discard(channel)

    async def _current_snapshot(self) -> Snapshot:
        """One that still collects messages, so that nothing falls between."""
        while True:
            current, building = self._snapshot, self._building
            if current is None or building is None or not current.is_fresh:
                self._snapshot = current = Snapshot()
                self._building = building = asyncio.create_task(current.build())
            try:
                await asyncio.shield(building)  # of use to others even when this socket goes
            except DatabaseError as error:
                self._snapshot = None
                logger.warning("live.snapshot_failed", error=str(error))
                detail = "the database does not answer; connect again"
                raise Refusal(4503, "unavailable", detail) from error
            if current is self._snapshot and current.is_fresh:
                return current

    async def _receive(self, message: EncodedMessage) -> None:
        if message.type == FORMING and message.symbol is not None:
            self._forming.replace(message.symbol, message)
            self._forming_waits.set()
        else:
            await self._deliver(message)

    async def _send_forming(self) -> None:
        """Several stream processes share the turns of a second, so they are dealt out here."""
        while True:
            wait_ms = self._forming.wait_ms(_now_ms())
            if wait_ms is None:
                self._forming_waits.clear()
                await self._forming_waits.wait()
            elif wait_ms:
                await asyncio.sleep(wait_ms / 1000)
            elif due := self._forming.due(_now_ms()):
                await self._deliver(due[1])

    async def _deliver(self, message: EncodedMessage) -> None:
        if self._snapshot is not None and self._snapshot.is_fresh:
            self._snapshot.since.append(message)
        wanting = [channel for channel in self.channels if channel.filter.passes(message)]
        for count, channel in enumerate(wanting, 1):
            await channel.offer(message)
            if count % SENDS_WITHOUT_PAUSE == 0:
                await asyncio.sleep(0)

    async def _mark_gap(self) -> None:
        """Messages are missing, nobody knows which: a number is left out, and pages ask again."""
        self._snapshot = None  # what it collected since is incomplete
        if not self.channels:
            return
        logger.info("live.gap_noticed", channels=len(self.channels))
        for channel in self.channels:
            channel.seq += 1
        await self._send_status()

    async def _watch_stream(self) -> None:
        """A stream process that died cannot say so; nor can a line that is cut, so even where
        nothing happens pages hear of us.
        """
        sent_at = time.monotonic()
        while True:
            if self.channels:
                stream = (await asyncio.to_thread(Streams.read)).summary
                if stream != self._stream or time.monotonic() - sent_at > STATUS_EVERY_S:
                    self._stream, sent_at = stream, time.monotonic()
                    await self._send_status()
            await asyncio.sleep(CHECK_EVERY_S)

    async def _send_status(self) -> None:
        read = database_sync_to_async(snapshot.status_json, thread_sensitive=False)
        try:
            status = await read()
        except DatabaseError as error:
            self._stream = None  # look again
            logger.warning("live.status_failed", error=str(error))
        else:
            await self._deliver(encode(Message("status", None, status)))

    async def _close_slow_channels(self) -> None:
        """Close those that do not keep up even without the forming candles."""
        while True:
            now = time.monotonic()
            for channel in [channel for channel in self.channels if channel.too_slow(now)]:
                self.channels.discard(channel)
                logger.info("live.client_too_slow", sent=channel.seq)
                await channel.close(4008, "too slow: connect again")
            await asyncio.sleep(CHECK_EVERY_S)

    async def _close_revoked_channels(self) -> None:
        """Close those whose token was revoked or whose user has signed out or was shut out."""
        still_valid = database_sync_to_async(valid, thread_sensitive=False)
        while True:
            await asyncio.sleep(REVOKED_EVERY_S)
            shown = {one.credential for one in self.channels if one.credential is not None}
            try:
                revoked = shown - (await still_valid(shown) if shown else set())
            except DatabaseError as error:  # nobody can be told apart; nothing is lost by waiting
                logger.warning("live.credentials_failed", error=str(error))
                continue
            for channel in [one for one in self.channels if one.credential in revoked]:
                self.channels.discard(channel)
                await channel.close(4401, "signed out, or the token was revoked")


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
    hub.has_ended = True  # for those that are still joining
    closing = [channel.close(4503, "connect again") for channel in hub.channels]
    asyncio.gather(*closing)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
