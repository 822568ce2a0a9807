import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from channels.layers import get_channel_layer
from django.conf import settings

from tests import servers
from tradingsite.live import publisher
from tradingsite.live.messages import encode
from tradingsite.live.publisher import GROUP, Message, publish

Receive = Any


@pytest.fixture
async def batches(redis: redis_library.Redis) -> AsyncIterator[Receive]:
    """What arrives in the group: a coroutine function that gives the next batch."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(GROUP, channel)

    async def following() -> dict[str, Any]:
        return dict(await asyncio.wait_for(layer.receive(channel), servers.HANG_S))

    yield following
    await layer.flush()


def candle(number: int) -> Message:
    return Message("candle", "BTCUSDT", {"number": number})


def test_publishing_does_not_wait_for_redis(
    redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    async def slow(*_: Any) -> None:
        while not answers.is_set():
            await asyncio.sleep(0.01)

    monkeypatch.setattr(get_channel_layer(), "group_send", slow, raising=False)
    for number in range(1000):
        publish([candle(number)])
    assert not publisher._publisher().flush(timeout_s=0.1)
    answers.set()
    assert publisher._publisher().flush(timeout_s=servers.HANG_S)


async def test_messages_arrive_in_order_and_numbered(batches: Receive) -> None:
    for number in range(100):
        publish([candle(number)])
    found: list[list[Any]] = []
    first = None
    while len(found) < 100:
        batch = await batches()
        first = batch["after"] if first is None else first
        assert batch["after"] == first + len(found)
        found += batch["messages"]
    assert [text for _, _, text in found] == [encode(candle(n)).text for n in range(100)]


@pytest.mark.processes
async def test_a_forked_child_tells_with_a_thread_of_its_own(batches: Receive) -> None:
    publish([candle(1)])
    parent = await batches()
    child = os.fork()
    if not child:
        publish([candle(2)])
        os._exit(0 if publisher._publisher().flush(timeout_s=servers.HANG_S) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    batch = await batches()
    assert batch["from"] != parent["from"]
    assert batch["messages"][0][2] == encode(candle(2)).text


@pytest.mark.processes
def test_a_dead_redis_neither_blocks_nor_fails_and_the_loss_is_told_later(
    tmp_path: Path, settings: Any
) -> None:
    first = servers.Redis(tmp_path)
    settings.CHANNEL_LAYERS = layers_at(first.url)
    ours = publisher.Publisher()
    ours.put([encode(candle(1))])
    assert ours.flush(timeout_s=servers.HANG_S)
    first.kill()
    ours.put([encode(candle(2))])
    assert not ours.flush(timeout_s=0.5)
    second = servers.Redis(tmp_path)
    assert ours.flush(timeout_s=servers.HANG_S)
    assert ours._next_batch()["after"] == 2
    second.stop()


def layers_at(url: str) -> dict[str, Any]:
    backend = settings.CHANNEL_LAYERS["default"]["BACKEND"]
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": [url]}}}
