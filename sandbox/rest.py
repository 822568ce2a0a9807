"""How a REST call is taken: limits, parameters, signature, endpoint, answer. Source: protocol D."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web

from sandbox import signing
from sandbox.exchange import Exchange
from sandbox.faults.faults import Faults
from sandbox.limits import OrderCount, Weights
from sandbox.params import Params
from sandbox.wire import ApiError, encode

SIGNED = ("timestamp", "recvWindow", "signature")
FORM = "application/x-www-form-urlencoded"
REMOVED = "/api/v3/userDataStream"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Call:
    """One request on its way: what was asked, when, and the parts of the venue it may touch."""

    exchange: Exchange
    faults: Faults
    order_count: OrderCount
    params: Params
    now_ms: int
    request: web.Request
    headers: dict[str, str] = field(default_factory=dict)


Weight = Callable[[Params], int]
Handler = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a path does; `names` are the parameters it reads. `free` costs nothing if it works."""

    handle: Handler
    names: tuple[str, ...]
    weight: Weight
    signed: bool = False
    free: bool = False


Routes = Mapping[tuple[str, str], Endpoint]


class Rest:
    """The endpoints under /api/v3, behind weights and signatures."""

    def __init__(self, exchange: Exchange, faults: Faults, routes: Routes) -> None:
        self.exchange = exchange
        self.faults = faults
        self.obstacles = faults.obstacles
        self.routes = routes
        self.weights = Weights()
        self.order_count = OrderCount()

    async def take(self, request: web.Request) -> web.Response:
        """Answer any request; nothing but Binance's errors comes out of it."""
        endpoint = self.routes.get((request.method, request.path))
        if endpoint is None:
            return _no_such_path(request)
        now_ms = self.exchange.clock.now_ms()
        failed = self.obstacles.failure(request.method, request.path)
        if failed is None:
            response = await self._true_response(endpoint, request)
        else:
            response = _unreadable(failed)
        if delay_ms := self.obstacles.delay_ms(request.path, now_ms):
            await asyncio.sleep(delay_ms / 1000)
        return response

    async def _true_response(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        try:
            answer: object = await self._answer(endpoint, request, headers)
            status = 200
        except ApiError as error:
            answer, status = {"code": error.code, "msg": error.message}, error.status
            headers |= error.headers
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            message = "An unknown error occurred while processing the request."
            answer, status = {"code": -1000, "msg": message}, 500
        used = str(self.weights.used(_address(request), self.exchange.clock.now_ms()))
        headers |= {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        headers["x-mbx-uuid"] = str(uuid4())
        return web.Response(
            body=encode(answer), status=status, headers=headers, content_type="application/json"
        )

    async def _answer(
        self, endpoint: Endpoint, request: web.Request, headers: dict[str, str]
    ) -> object:
        query = request.raw_path.partition("?")[2]
        body = await _form(request)
        now_ms = self.exchange.clock.now_ms()
        self.obstacles.check(now_ms)
        weight, params = self._charged(endpoint, query, body, _address(request), now_ms)
        params.allow(endpoint.names + SIGNED if endpoint.signed else endpoint.names)
        if endpoint.signed:
            sent = signing.Sent(request.headers.get("X-MBX-APIKEY"), query, body)
            signing.check(self.exchange.plan.credentials, sent, params, now_ms)
        call = Call(self.exchange, self.faults, self.order_count, params, now_ms, request, headers)
        answer = await endpoint.handle(call)
        if endpoint.free:
            self.weights.refund(_address(request), weight, now_ms)
        return answer

    def _charged(
        self, endpoint: Endpoint, query: str, body: str, address: str, now_ms: int
    ) -> tuple[int, Params]:
        """Every request costs weight, an unreadable one too; raises 429, 418 or -1101."""
        try:
            params = Params(query, body)
        except ApiError:
            self.weights.charge(address, 1, now_ms)
            raise
        weight = endpoint.weight(params)
        self.weights.charge(address, weight, now_ms)
        return weight, params


def _address(request: web.Request) -> str:
    return request.remote or ""


async def _form(request: web.Request) -> str:
    """The body of a form, exactly as sent; GET has none."""
    if request.method == "GET" or request.content_type != FORM:
        return ""
    return (await request.read()).decode("utf-8", "surrogateescape")


def _unreadable(status: int) -> web.Response:
    """An error from in front of the exchange, which speaks no JSON."""
    text = f"<html><body><h1>{status}</h1></body></html>"
    return web.Response(status=status, text=text, content_type="text/html")


def _no_such_path(request: web.Request) -> web.Response:
    if request.path == REMOVED:
        return web.Response(status=410)
    html = "text/html" in request.headers.get("Accept", "")
    text = "<html><body><h2>404 Not found</h2></body></html>" if html else ""
    return web.Response(status=404, text=text, content_type="text/html" if html else "text/plain")
