"""The exchange of the benchmarks: no market of its own, it sends what a benchmark tells it.

Its REST knows one old trade a symbol and no klines, fills every order at once, and notes when
an order arrived.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from candles.intervals import INTERVALS_MS
from foundation.times import now_ms

FIRST_ID = 1_000_000  # of the first tick of each symbol
LONG_AGO_MS = 60_000
FRAME = (
    '{{"stream":"{low}@aggTrade","data":{{"e":"aggTrade","E":{time},"s":"{symbol}","a":{id},'
    '"p":"{price}","q":"{quantity}","f":{id},"l":{id},"T":{time},"m":{maker},"M":true}}}}'
)
KLINE = (
    '{{"stream":"{low}@kline_{interval}","data":{{"e":"kline","E":{now},"s":"{symbol}","k":'
    '{{"t":{open},"T":{close},"s":"{symbol}","i":"{interval}","f":-1,"L":-1,"o":"100","c":"100",'
    '"h":"100","l":"100","v":"0","n":0,"x":false,"q":"0","V":"0","Q":"0","B":"0"}}}}}}'
)
KLINES_EVERY_S = 2.0
Json = dict[str, Any]
# Five hundred symbols that start at once would have to wait for the next minute.
WEIGHT_LIMIT = {
    "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1_000_000,
}  # fmt: skip
ORDER_LIMIT = {
    "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 1_000_000,
}  # fmt: skip
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
    {
        "filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True,
        "maxNotional": "9000000", "applyMaxToMarket": False, "avgPriceMins": 5,
    },
]  # fmt: skip


def symbol_names(count: int) -> list[str]:
    return [f"COIN{number}USDT" for number in range(count)]


def tick_text(
    symbol: str, tick_id: int, time_ms: int, price: str, quantity: str = "0.01000000"
) -> str:
    """An aggregate trade as the combined stream sends it."""
    maker = "true" if tick_id % 3 else "false"
    return FRAME.format(
        low=symbol.lower(), symbol=symbol, id=tick_id, time=time_ms, price=price,
        quantity=quantity, maker=maker,
    )  # fmt: skip


def kline_text(stream: str, now_ms: int) -> str:
    """A heartbeat: the exchange's kline as it stands, which is nobody's business here."""
    low, interval = stream.split("@kline_")
    open_ms = now_ms - now_ms % INTERVALS_MS[interval]
    return KLINE.format(
        low=low, symbol=low.upper(), interval=interval, now=now_ms, open=open_ms,
        close=open_ms + INTERVALS_MS[interval] - 1,
    )  # fmt: skip


@dataclass
class Exchange:
    """`on_order` is told of each order's symbol, side, and arrival (`time.monotonic`); the answer
    to one takes `answer_s`.
    """

    symbols: list[str]
    on_order: Callable[[str, str, float], None] = lambda symbol, side, at: None
    answer_s: float = 0.0
    started_ms: int = field(default_factory=now_ms)
    subscribed: set[str] = field(default_factory=set)
    requests: list[web.Request] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    orders: int = 0
    _told: asyncio.Task[None] | None = None

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        app.router.add_get("/api/v3/klines", self._nothing)
        app.router.add_get("/api/v3/aggTrades", self._agg_trades)
        app.router.add_get("/api/v3/account", self._account)
        app.router.add_post("/api/v3/order", self._order)
        app.router.add_get("/stream", self._stream)
        return app

    @property
    def complete(self) -> bool:
        """The aggregate trades of every symbol are subscribed."""
        ticks = {name for name in self.subscribed if name.endswith("@aggTrade")}
        return len(ticks) >= len(self.symbols)

    async def subscribed_to_all(self) -> None:
        """For benchmarks to override: what happens once the stream process listens."""

    async def _time(self, _: web.Request) -> web.Response:
        return web.json_response({"serverTime": now_ms()})

    async def _exchange_info(self, request: web.Request) -> web.Response:
        entries = [
            {"symbol": symbol, "status": "TRADING", "filters": FILTERS,
             "baseAsset": symbol.removesuffix("USDT"), "quoteAsset": "USDT"}
            for symbol in json.loads(request.query["symbols"])
        ]  # fmt: skip
        return web.json_response({"rateLimits": [WEIGHT_LIMIT, ORDER_LIMIT], "symbols": entries})

    async def _account(self, _: web.Request) -> web.Response:
        return web.json_response({"balances": [{"asset": "USDT", "free": "1000000000"}]})

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.json_response([])

    async def _agg_trades(self, request: web.Request) -> web.Response:
        if "fromId" in request.query or "startTime" in request.query:
            return web.json_response([])
        before = FIRST_ID - 1
        row = {"a": before, "p": "100", "q": "1", "f": before, "l": before, "m": True, "M": True}
        return web.json_response([row | {"T": self.started_ms - LONG_AGO_MS}])

    async def _order(self, request: web.Request) -> web.Response:
        arrived = time.monotonic()
        query = request.query or await request.post()
        self.orders += 1
        self.on_order(str(query["symbol"]), str(query["side"]), arrived)
        await asyncio.sleep(self.answer_s)
        return web.json_response(_filled(query, self.orders))

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0, compress=False)
        await socket.prepare(request)
        self.requests.append(request)
        self.sockets.append(socket)
        klines: set[str] = set()
        heart = asyncio.create_task(self._beat(socket, klines))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = message.json()
                before = self.complete
                if asked["method"] == "SUBSCRIBE":
                    self.subscribed |= set(asked["params"])
                    klines |= {name for name in asked["params"] if "@kline_" in name}
                await socket.send_json({"result": None, "id": asked["id"]})
                if self.complete and not before:
                    self._told = asyncio.create_task(self.subscribed_to_all())
        heart.cancel()
        return socket

    async def _beat(self, socket: web.WebSocketResponse, streams: set[str]) -> None:
        """The klines that a socket is subscribed to, for ever."""
        while not socket.closed:
            for stream in sorted(streams):
                await socket.send_str(kline_text(stream, now_ms()))
            await asyncio.sleep(KLINES_EVERY_S)


def _filled(query: Any, number: int) -> Json:
    quantity = str(query["quantity"])
    time_ms = now_ms()
    fill = {"price": "100", "qty": quantity, "commission": "0", "commissionAsset": "USDT"}
    return {
        "symbol": query["symbol"], "orderId": number, "orderListId": -1,
        "clientOrderId": query["newClientOrderId"], "transactTime": time_ms, "price": "0",
        "origQty": quantity, "executedQty": quantity, "origQuoteOrderQty": "0",
        "cummulativeQuoteQty": str(100 * float(quantity)), "status": "FILLED",
        "timeInForce": "GTC", "type": "MARKET", "side": query["side"], "workingTime": time_ms,
        "selfTradePreventionMode": "EXPIRE_MAKER", "fills": [fill | {"tradeId": number}],
    }  # fmt: skip
