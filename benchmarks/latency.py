"""How long a tick takes to a page, and a closing candle to an order, through real processes.

`python -m benchmarks.latency order|crowd|stop|page`

`order`: from the moment the exchange sends the tick that closes a one-second candle to the
moment an order request reaches it: socket, candle, Redis, database, Celery, strategy, commit,
signed request. Every candle crosses; the stream, one worker (prefork) and Redis are the real
ones. In the same run the same is measured of the bare way (`benchmarks.bare`): a task a tick, an
order a task, and nothing else.

`crowd`: the same for 200 symbols whose candles close together, ten of which cross: both variants
order, so 20 orders are under way at once; the first and the last of them are told. It is measured
with an exchange that answers at once, and with one that takes 10 ms, as across a city.

`stop`: from the moment the exchange sends the tick that hits the stops of both variants to the
moment their sales reach it, while 5,000 other ticks a second go by.

`page`: from the moment the exchange sends a tick to the moment ten WebSocket clients have it,
under a steady 5,000 ticks a second: stream, Redis, daphne. Clients see the newest state at
most 20 times a second, so what counts is the age of the newest tick when it arrives.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.exchange import FIRST_ID, Exchange, symbol_names, tick_text
from foundation.times import now_ms
from tests.servers import PYTHON, Redis, Server, Site, free_port

SYMBOLS = symbol_names(4)
CLOSINGS_S = 45
WARM_UP_S = 14  # candles until the averages have their history, and the worker its code
CROWD, CROSSING, CROWD_CLOSINGS = 200, 10, 30
ANSWERS_S = (0.0, 0.01)
BUSY, BURSTS_A_SECOND = "BUSYUSDT", 200
BARE_WORKER = "--quiet worker --concurrency 2 --without-gossip --without-mingle"
PAGE_S, TICKS_A_SECOND, CLIENTS = 10, 5_000, 10


@asynccontextmanager
async def running(exchange: Exchange, *processes: str) -> AsyncIterator[Site]:
    """The exchange on a free port, and a site on it with the named processes."""
    settings = {
        "SYMBOLS": ",".join(exchange.symbols),
        "INTERVALS": "1s",
        "SMA_PERIOD": "2",
        "EMA_PERIOD": "1",
        "MAX_PRICE_MOVE": "5",  # prices here double at once
    }
    async with served(exchange) as addresses:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            site = await asyncio.to_thread(Site, Path(name) / "site", settings | addresses)
            for process in processes:
                await asyncio.to_thread(site.start, process)
            await listened_to(exchange)
            try:
                yield site
            finally:
                await asyncio.to_thread(site.stop)


@asynccontextmanager
async def bare(exchange: Exchange) -> AsyncIterator[None]:
    """The exchange, and on it the bare way."""
    async with served(exchange) as addresses:
        with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
            redis = Redis(Path(name))
            stack.callback(redis.stop)
            environment = addresses | {"REDIS_URL": redis.url}
            worker = [PYTHON, "-m", "celery", "-A", "benchmarks.bare", *BARE_WORKER.split()]
            listener = [PYTHON, "-m", "benchmarks.bare", *exchange.symbols]
            for number, command in enumerate((worker, listener)):
                server = Server(command, Path(name) / f"{number}.log", environment)
                stack.callback(server.stop)
            await listened_to(exchange)
            yield


@asynccontextmanager
async def served(exchange: Exchange) -> AsyncIterator[dict[str, str]]:
    """The exchange on a free port, as the settings that lead there."""
    port = free_port()
    runner = web.AppRunner(exchange.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield {
            "BINANCE_REST_URL": f"http://127.0.0.1:{port}",
            "BINANCE_STREAM_URL": f"ws://127.0.0.1:{port}",
            "BINANCE_WS_API_URL": f"ws://127.0.0.1:{port}/ws-api/v3",
        }
    finally:
        await runner.cleanup()


async def listened_to(exchange: Exchange) -> None:
    while not exchange.complete:
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)  # for the worker, of which an exchange hears nothing


def row(what: str, seconds: list[float]) -> str:
    """Percentiles in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return (
        f"{what}: p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"
        f"  ({len(seconds)} measured)"
    )


async def candle_to_order() -> None:
    ours = await _closings(lambda exchange: running(exchange, "worker", "stream"))
    print(row("candle close to order request", ours))
    floor = await _closings(bare)
    print(row("a tick to an order through Celery and nothing else", floor))
    print(f"ours is {statistics.median(ours) / statistics.median(floor):.1f} times that")


async def _closings(way: Callable[[Exchange], AbstractAsyncContextManager[object]]) -> list[float]:
    """Every symbol's candle closes by a tick of its own, before the clock would close it.

    The answer is how long each waited for its order, in seconds.
    """
    closed: dict[str, float] = {}
    waited: list[float] = []

    def on_order(symbol: str, _: str, at: float) -> None:
        if symbol in closed:  # the first of the two variants' orders counts
            waited.append(at - closed.pop(symbol))

    exchange = Exchange(SYMBOLS, on_order)
    async with way(exchange):
        second = int(time.time()) + 2
        for number in range(WARM_UP_S + CLOSINGS_S):
            for place, symbol in enumerate(SYMBOLS):
                due = second + number + 0.02 + place / 10
                await asyncio.sleep(max(0.0, due - time.time()))
                price = "200" if number % 2 else "100"
                text = tick_text(symbol, FIRST_ID + number, int(due * 1000), price)
                if number > WARM_UP_S:
                    closed[symbol] = time.monotonic()
                await exchange.sockets[-1].send_str(text)
        await asyncio.sleep(1)
    return waited


async def crowd_to_orders() -> None:
    for answer_s in ANSWERS_S:
        first, last = await _crowds(answer_s)
        print(f"answers take {answer_s * 1000:.0f} ms")
        print(row(f"{CROWD} candles close to first of {2 * CROSSING} order requests", first))
        print(row("and to the last of them", last))


async def _crowds(answer_s: float) -> tuple[list[float], list[float]]:
    """All candles close by ticks sent at once; `arrived` are the orders of the present second.

    The answer is how long the first and the last order of each crowd took, in seconds.
    """
    arrived: list[float] = []
    first: list[float] = []
    last: list[float] = []
    exchange = Exchange(symbol_names(CROWD), lambda _, __, at: arrived.append(at), answer_s)
    async with running(exchange, "worker", "stream"):
        second = int(time.time()) + 2
        for number in range(WARM_UP_S + CROWD_CLOSINGS):
            due = second + number + 0.02
            await asyncio.sleep(max(0.0, due - time.time()))
            texts = [_crowd_tick(exchange, place, number, due) for place in range(CROWD)]
            arrived.clear()
            began = time.monotonic()
            for text in texts:
                await exchange.sockets[-1].send_str(text)
            await asyncio.sleep(0.8)
            if number > WARM_UP_S and len(arrived) == 2 * CROSSING:
                first.append(arrived[0] - began)
                last.append(arrived[-1] - began)
    return first, last


def _crowd_tick(exchange: Exchange, place: int, number: int, due: float) -> str:
    """Of every twenty symbols one goes up and down, so that it crosses at every candle."""
    moves = place % (CROWD // CROSSING) == 0
    price = "200" if moves and number % 2 else "100"
    return tick_text(exchange.symbols[place], FIRST_ID + number, int(due * 1000), price)


async def stop_to_order() -> None:
    """Two candles a round: the second one crosses upwards, so both variants buy as the next round
    begins; then the price falls through both stops.
    """
    hit: dict[str, float] = {}
    waited: list[float] = []

    def on_order(symbol: str, side: str, at: float) -> None:
        if side == "SELL" and symbol in hit:
            waited.append(at - hit[symbol])

    exchange = Exchange([*SYMBOLS, BUSY], on_order)
    async with running(exchange, "worker", "stream"):
        others = asyncio.create_task(_go_by(exchange))
        second, tick_id = int(time.time()) + 2, FIRST_ID
        for number in range(WARM_UP_S + CLOSINGS_S):
            steps = [(0.0, "100"), (0.6, "80")] if number % 2 else [(0.0, "100")]
            for after_s, price in steps:
                for place, symbol in enumerate(SYMBOLS):
                    due = second + number + after_s + 0.02 + place / 20
                    await asyncio.sleep(max(0.0, due - time.time()))
                    text = tick_text(symbol, tick_id, int(due * 1000), price)
                    if after_s and number > WARM_UP_S:
                        hit[symbol] = time.monotonic()
                    await exchange.sockets[-1].send_str(text)
                tick_id += 1
        await asyncio.sleep(1)
        others.cancel()
    print(row(f"stop hit to order request at {TICKS_A_SECOND} ticks/s", waited))


async def _go_by(exchange: Exchange) -> None:
    """Ticks of a symbol that never moves, in small bursts."""
    burst = TICKS_A_SECOND // BURSTS_A_SECOND
    began = time.monotonic()
    for number in itertools.count():
        await asyncio.sleep(max(0.0, began + number / BURSTS_A_SECOND - time.monotonic()))
        for tick_id in range(FIRST_ID + number * burst, FIRST_ID + (number + 1) * burst):
            text = tick_text(BUSY, tick_id, now_ms(), "100")
            await exchange.sockets[-1].send_str(text)


async def tick_to_page() -> None:
    exchange = Exchange(SYMBOLS[:2])
    sent: dict[tuple[str, int], float] = {}
    ages: list[float] = []

    async def client(url: str, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(url) as socket:
            async for message in socket:
                told = json.loads(message.data)
                if told["type"] == "forming":
                    data = told["data"]
                    began = sent.get((data["symbol"], data["last_tick_id"]))
                    if began is not None:
                        ages.append(time.monotonic() - began)

    async with running(exchange, "stream", "web") as site, aiohttp.ClientSession() as session:
        clients = [asyncio.create_task(client(f"{site.ws_url}/", session)) for _ in range(CLIENTS)]
        await asyncio.sleep(1)
        began = time.monotonic()
        for number in range(PAGE_S * TICKS_A_SECOND):
            symbol = exchange.symbols[number % 2]
            tick_id = FIRST_ID + number // 2
            await asyncio.sleep(max(0.0, began + number / TICKS_A_SECOND - time.monotonic()))
            sent[symbol, tick_id] = time.monotonic()
            text = tick_text(symbol, tick_id, now_ms(), f"{100 + number % 50}")
            await exchange.sockets[-1].send_str(text)
        await asyncio.sleep(0.5)
        for task in clients:
            task.cancel()
    print(row(f"tick to page at {TICKS_A_SECOND} ticks/s, {CLIENTS} clients", ages))


MEASUREMENTS = {
    "order": candle_to_order, "crowd": crowd_to_orders, "stop": stop_to_order, "page": tick_to_page,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=MEASUREMENTS)
    asyncio.run(MEASUREMENTS[parser.parse_args().what]())


if __name__ == "__main__":
    main()
