"""An exchange that knows one trick: to send prepared ticks as fast as the other side reads.

`python -m benchmarks.flood PORT SYMBOLS TICKS RATE`: after every symbol's subscription it
sends TICKS ticks in all, spread over the symbols, RATE of them a second (0: no pause), then
stays open. Its REST knows no past.
"""

import asyncio
import sys
import time
from collections.abc import Iterator

from aiohttp import WSMsgType, web

FIRST_ID = 1_000_000
TICK_EVERY_MS = 5  # of one symbol's trade time, so that minutes pass within the flood
FRAME = (
    '{{"stream":"{low}@aggTrade","data":{{"e":"aggTrade","E":{time},"s":"{symbol}","a":{id},'
    '"p":"{price}.{cents:02}000000","q":"0.{quantity:05}000","f":{id},"l":{id},"T":{time},'
    '"m":{maker},"M":true}}}}'
)


def symbol_names(count: int) -> list[str]:
    return [f"COIN{number}USDT" for number in range(count)]


def framed(text: str) -> bytes:
    """A server's WebSocket text frame."""
    payload = text.encode()
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def tick_text(symbol: str, number: int, time_ms: int) -> str:
    """Tick `number` of a symbol; its values differ from the ones before, as in earnest."""
    return FRAME.format(
        low=symbol.lower(),
        symbol=symbol,
        id=FIRST_ID + number,
        time=time_ms,
        price=60_000 + number * 7 % 300,
        cents=number % 100,
        quantity=number * 13 % 90_000 + 1,
        maker="true" if number % 3 else "false",
    )


def frames(symbols: list[str], ticks: int, start_ms: int) -> Iterator[bytes]:
    """Ticks of the symbols in turn. Trade time goes on by TICK_EVERY_MS a round."""
    for number in range(ticks // len(symbols)):
        for symbol in symbols:
            yield framed(tick_text(symbol, number, start_ms + number * TICK_EVERY_MS))


class Flood:
    def __init__(self, symbols: int, ticks: int, rate: int) -> None:
        self.symbols = symbol_names(symbols)
        self.rate = rate
        self.start_ms = int(time.time() * 1000)
        self.frames = list(frames(self.symbols, ticks, self.start_ms))
        self.subscribed: set[str] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/v3/time", self.time)
        app.router.add_get("/api/v3/exchangeInfo", self.exchange_info)
        app.router.add_get("/api/v3/klines", self.nothing)
        app.router.add_get("/api/v3/aggTrades", self.agg_trades)
        app.router.add_get("/stream", self.stream)
        return app

    async def time(self, _: web.Request) -> web.Response:
        return web.json_response({"serverTime": int(time.time() * 1000)})

    async def exchange_info(self, request: web.Request) -> web.Response:
        symbol = request.query["symbol"]
        entry = {"symbol": symbol, "status": "TRADING", "filters": []}
        entry |= {"baseAsset": symbol.removesuffix("USDT"), "quoteAsset": "USDT"}
        return web.json_response({"symbols": [entry]})

    async def nothing(self, _: web.Request) -> web.Response:
        return web.json_response([])

    async def agg_trades(self, request: web.Request) -> web.Response:
        """One old trade before the flood, so that the first tick follows on it."""
        if "fromId" in request.query or "startTime" in request.query:
            return web.json_response([])
        row = {"a": FIRST_ID - 1, "p": "60000", "q": "1", "f": FIRST_ID - 1, "l": FIRST_ID - 1}
        return web.json_response([row | {"T": self.start_ms - 60_000, "m": True, "M": True}])

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = message.json()
                self.subscribed |= set(asked.get("params", []))
                await socket.send_json({"result": None, "id": asked["id"]})
                if asked["method"] == "SUBSCRIBE" and len(self.subscribed) == len(self.symbols):
                    await asyncio.sleep(2)  # REST has answered by then
                    await self.pour(request)
        return socket

    async def pour(self, request: web.Request) -> None:
        """Write the frames past aiohttp, whose own writer is slower than our reader."""
        transport = request.transport
        assert transport is not None
        a_time = 300 if not self.rate else max(1, self.rate // 200)
        began = time.monotonic()
        for at in range(0, len(self.frames), a_time):
            transport.write(b"".join(self.frames[at : at + a_time]))
            if self.rate:
                await asyncio.sleep(max(0.0, began + at / self.rate - time.monotonic()))
            while transport.get_write_buffer_size() > 1_000_000:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)


if __name__ == "__main__":
    port, symbols, ticks, rate = map(int, sys.argv[1:])
    web.run_app(Flood(symbols, ticks, rate).app(), host="127.0.0.1", port=port, print=None)
