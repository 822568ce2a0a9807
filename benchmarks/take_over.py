"""How long the symbols are without an owner when that is killed, cut off or frozen.

`python -m benchmarks.take_over [--times 20]`

Two real stream processes on the same symbols, a real Redis, and an exchange that sends a tick
of every symbol each 10 ms. The owner is struck by SIGKILL and SIGSTOP in turn; measured is the
time from there to the first write of the other one, and, once that has a tick from after the
blow, to that.
"""

import argparse
import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

import redis
from aiohttp import web

from benchmarks.exchange import FIRST_ID, Exchange, symbol_names, tick_text
from benchmarks.latency import row, running
from candles.live.state import read_states, read_streams
from foundation.times import now_ms
from tests.servers import Server, Site

SYMBOLS = symbol_names(4)
TICK_EVERY_S = 0.01
CALM_S = 2.0


@dataclass
class Ticking(Exchange):
    """Prints a tick of every symbol each TICK_EVERY_S; `times` are those of the ticks so far."""

    times: list[int] = field(default_factory=list)

    async def tick(self) -> None:
        while True:
            number, time_ms = len(self.times), now_ms()
            self.times.append(time_ms)
            for symbol in self.symbols:
                await self._tell(tick_text(symbol, FIRST_ID + number, time_ms, "100"))
            await asyncio.sleep(TICK_EVERY_S)

    async def _tell(self, text: str) -> None:
        for socket in self.sockets:
            if not socket.closed:
                with suppress(ConnectionError):
                    await socket.send_str(text)

    async def _agg_trades(self, request: web.Request) -> web.Response:
        if "fromId" not in request.query:
            return await super()._agg_trades(request)
        first = int(request.query["fromId"]) - FIRST_ID
        rows = [
            {"a": FIRST_ID + n, "p": "100", "q": "0.01000000", "f": FIRST_ID + n,
             "l": FIRST_ID + n, "m": bool((FIRST_ID + n) % 3), "M": True, "T": self.times[n]}
            for n in range(max(first, 0), min(len(self.times), first + 1000))
        ]  # fmt: skip
        return web.json_response(rows)


def owner(client: redis.Redis) -> str:
    told = read_streams(client)
    return told[0].holder if told else ""


async def blow(
    site: Site, exchange: Ticking, streams: list[Server], how: signal.Signals
) -> tuple[float, float]:
    """Strike the owner; seconds to the next owner's first write, and to its first new tick."""
    client = redis.Redis.from_url(site.redis.url)
    victim = next(one for one in streams if owner(client).endswith(f":{one.pid}"))
    struck, printed = time.monotonic(), len(exchange.times)
    os.killpg(victim.pid, how)
    while owner(client).endswith(f":{victim.pid}"):
        await asyncio.sleep(0.005)
    owned = time.monotonic() - struck
    last = 0
    while last < FIRST_ID + printed:
        states = read_states(client, exchange.symbols).values()
        last = min(state.last_tick_id for state in states)
        await asyncio.sleep(0.005)
    folded = time.monotonic() - struck
    if how is signal.SIGKILL:
        victim.kill()
        streams.remove(victim)
        streams.append(await asyncio.to_thread(site.start, "stream"))
    else:
        os.killpg(victim.pid, signal.SIGCONT)
    await asyncio.sleep(CALM_S)
    return owned, folded


async def measure(times: int) -> None:
    exchange = Ticking(SYMBOLS)
    async with running(exchange, "stream") as site:
        streams = [site.processes[0], await asyncio.to_thread(site.start, "stream")]
        ticks = asyncio.create_task(exchange.tick())
        await asyncio.sleep(2 * CALM_S)
        blows = []
        for number in range(times):
            how = signal.SIGSTOP if number % 2 else signal.SIGKILL
            blows.append(await blow(site, exchange, streams, how))
        ticks.cancel()
    print(row("owner struck to the next one's first write", [owned for owned, _ in blows]))
    print(row("owner struck to the next new tick in Redis", [folded for _, folded in blows]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    asyncio.run(measure(parser.parse_args().times))


if __name__ == "__main__":
    main()
