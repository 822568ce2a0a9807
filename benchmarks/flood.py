"""An exchange that sends prepared ticks as fast as the other side reads.

`python -m benchmarks.flood PORT SYMBOLS TICKS`: once every symbol is subscribed it sends about
TICKS ticks in all, the symbols in turn, the later ones more seldom, and then stays open.
"""

import asyncio
import sys
from collections.abc import Iterator

from aiohttp import web

from benchmarks.exchange import FIRST_ID, Exchange, kline_text, symbol_names, tick_text

TICK_EVERY_MS = 5  # of one symbol's trade time, so that minutes pass within the flood
AHEAD_MS = 120_000  # of our heartbeats, so that they say of no candle that it is over
MINUTE_MS = 60_000
FRAMES_A_WRITE = 300
SETTLE_S = 2  # by then REST has answered what the subscription made it ask
ENOUGH_BUFFERED = 1_000_000  # bytes


def framed(text: str) -> bytes:
    """A server's WebSocket text frame, for payloads of 126 to 65,535 bytes."""
    payload = text.encode()
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def trades_of(place: int, rounds: int) -> int:
    """How many ticks the symbol at `place` has in so many rounds: the first 25 one in each, the
    next 25 one in every second, and so on. With eight symbols all are alike.
    """
    return -(-rounds // (1 + place // 25))


def rounds_of(symbols: int, ticks: int) -> int:
    """How many rounds bring about `ticks` ticks."""
    share = sum(1 / (1 + place // 25) for place in range(symbols))
    return int(ticks / share)


def frames(symbols: list[str], ticks: int, start_ms: int) -> Iterator[bytes]:
    """Ticks of the symbols in turn; their values differ from tick to tick, as in earnest.

    Before them, that there are klines of the minutes up to the first, in which nothing is traded.
    """
    for minute_ms in range(start_ms - AHEAD_MS - MINUTE_MS, start_ms, MINUTE_MS):
        for symbol in symbols:
            yield framed(kline_text(f"{symbol.lower()}@kline_1m", minute_ms))
    for number in range(rounds_of(len(symbols), ticks)):
        price = f"{60_000 + number * 7 % 300}.{number % 100:02}000000"
        quantity = f"0.{number * 13 % 90_000 + 1:05}000"
        time_ms = start_ms + number * TICK_EVERY_MS
        for place, symbol in enumerate(symbols):
            every = 1 + place // 25
            if number % every == 0:
                tick_id = FIRST_ID + number // every
                yield framed(tick_text(symbol, tick_id, time_ms, price, quantity))


class Flood(Exchange):
    def prepare(self, ticks: int) -> None:
        self.frames = list(frames(self.symbols, ticks, self.started_ms + AHEAD_MS))

    async def subscribed_to_all(self) -> None:
        await asyncio.sleep(SETTLE_S)
        # Past aiohttp's own writer, which is slower than the reader that is measured.
        transport = self.requests[-1].transport
        assert isinstance(transport, asyncio.WriteTransport)
        for at in range(0, len(self.frames), FRAMES_A_WRITE):
            transport.write(b"".join(self.frames[at : at + FRAMES_A_WRITE]))
            while transport.get_write_buffer_size() > ENOUGH_BUFFERED:
                await asyncio.sleep(0.001)


if __name__ == "__main__":
    port, symbols, ticks = map(int, sys.argv[1:])
    flood = Flood(symbol_names(symbols))
    flood.prepare(ticks)
    web.run_app(flood.app(), host="127.0.0.1", port=port, print=None)
