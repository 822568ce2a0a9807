"""REST: how a call comes in over HTTP, and how its answer goes out. Source: protocol D.1."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from sandbox.call import Call, Endpoint, Routes, Spoiled
from sandbox.desk import Desk
from sandbox.limits import ORDER_LIMITS, seconds_until
from sandbox.params import Params
from sandbox.signing import HttpProof
from sandbox.wire import ApiError, encode

FORM = "application/x-www-form-urlencoded"
REMOVED = "/api/v3/userDataStream"


@dataclass(frozen=True, slots=True)
class HttpCaller:
    """The client of one HTTP request."""

    request: web.Request

    @property
    def is_gone(self) -> bool:
        return self.request.transport is None or self.request.transport.is_closing()

    def abort(self) -> None:
        if isinstance(self.request.transport, asyncio.Transport):
            self.request.transport.abort()


class Rest:
    """The endpoints under /api/v3."""

    def __init__(self, desk: Desk, routes: Routes) -> None:
        self.desk = desk
        self.obstacles = desk.places.obstacles
        self.routes = routes

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        endpoint = self.routes.get((request.method, request.path))
        if endpoint is None:
            return _no_such_path(request)
        now_ms = self.desk.exchange.clock.now_ms()
        failed = self.obstacles.failure(request.method, request.path)
        if failed is None:
            response = await self._true_response(endpoint, request)
        else:
            response = _unreadable(failed)
        if delay_ms := self.obstacles.delay_ms(request.path, now_ms):
            await self.desk.exchange.clock.sleep(delay_ms)
        return response

    async def _true_response(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        query = request.raw_path.partition("?")[2]
        body = await _form(request)
        try:
            params = Params.of_http(query, body)
        except ApiError as error:
            return self._response(request, self.desk.unreadable(error, _address(request)), {})
        call = self.desk.arrived(endpoint, params, HttpCaller(request), "rest")
        proof = HttpProof(request.headers.get("X-MBX-APIKEY"), query, body)
        answer = await self.desk.answer(endpoint, call, proof, _address(request))
        response = self._response(request, answer, self._order_counts(call))
        return await _spoiled(request, response, call.spoiled) if call.spoiled else response

    def _order_counts(self, call: Call) -> dict[str, str]:
        if not call.is_placement:
            return {}
        counts = call.exchange.engine.books.order_count.counts(call.now_ms)
        return {
            f"X-MBX-ORDER-COUNT-{number}{interval[0]}": str(count)
            for (interval, number, _, _), count in zip(ORDER_LIMITS, counts, strict=True)
        }

    def _response(
        self, request: web.Request, answer: object, headers: dict[str, str]
    ) -> web.Response:
        status = 200
        if isinstance(answer, ApiError):
            status = answer.status
            if answer.retry_ms is not None:
                wait = seconds_until(answer.retry_ms, self.desk.exchange.clock.now_ms())
                headers["Retry-After"] = str(wait)
            answer = answer.body()
        used = str(self.desk.used(_address(request)))
        headers |= {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        headers["x-mbx-uuid"] = str(uuid4())
        return web.Response(
            body=encode(answer), status=status, headers=headers, content_type="application/json"
        )


async def _spoiled(
    request: web.Request, response: web.Response, spoiled: Spoiled
) -> web.StreamResponse:
    """What a client gets in place of the answer that was meant for it."""
    if spoiled.by == "html":
        return _unreadable(spoiled.status)
    if spoiled.by == "half":
        body = response.body if isinstance(response.body, bytes) else b""
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await asyncio.sleep(0)
    HttpCaller(request).abort()
    return response


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
