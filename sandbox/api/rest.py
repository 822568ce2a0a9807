"""The REST API: requests and answers over HTTP. Source: protocol D.1."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from sandbox.api.dispatcher import Dispatcher
from sandbox.api.limits import seconds_until
from sandbox.api.params import RequestParams
from sandbox.api.request import ApiRequest, Endpoint, Routes, SpoiledAnswer
from sandbox.api.signing import HttpSignature
from sandbox.engine.order_count import ORDER_LIMITS
from sandbox.errors import ApiError
from sandbox.wire import encode_json

FORM_TYPE = "application/x-www-form-urlencoded"
LISTEN_KEY_PATH = "/api/v3/userDataStream"


@dataclass(frozen=True, slots=True)
class HttpClient:
    """The client of one HTTP request."""

    request: web.Request

    @property
    def is_disconnected(self) -> bool:
        return self.request.transport is None or self.request.transport.is_closing()

    def abort(self) -> None:
        """Reset the connection."""
        if isinstance(self.request.transport, asyncio.Transport):
            self.request.transport.abort()


class RestApi:
    """Answers HTTP requests by the endpoints of their routes."""

    def __init__(self, dispatcher: Dispatcher, routes: Routes) -> None:
        self.dispatcher = dispatcher
        self.faults = dispatcher.faults
        self.routes = routes

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request, as faults let it."""
        endpoint = self.routes.get((request.method, request.path))
        if endpoint is None:
            return _not_found(request)
        now_ms = self.dispatcher.exchange.clock.now_ms()
        failed = self.faults.pop_failure(request.method, request.path)
        if failed is None:
            response = await self._dispatch(endpoint, request)
        else:
            response = _html_error(failed)
        if delay_ms := self.faults.answer_delay_ms(request.path, now_ms):
            await self.dispatcher.exchange.clock.sleep(delay_ms)
        return response

    async def _dispatch(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        query = request.raw_path.partition("?")[2]
        body = await _read_form(request)
        try:
            params = RequestParams.from_http(query, body)
        except ApiError as error:
            refusal = self.dispatcher.refuse_unreadable(error, _address(request))
            return self._response(request, refusal, {})
        api_request = self.dispatcher.receive(endpoint, params, HttpClient(request), "rest")
        signature = HttpSignature(request.headers.get("X-MBX-APIKEY"), query, body)
        answer = await self.dispatcher.dispatch(endpoint, api_request, signature, _address(request))
        response = self._response(request, answer, self._order_count_headers(api_request))
        if api_request.spoiled:
            return await _spoil(request, response, api_request.spoiled)
        return response

    def _order_count_headers(self, request: ApiRequest) -> dict[str, str]:
        if not request.is_placement:
            return {}
        counts = request.engine.order_count.counts(request.now_ms)
        return {
            f"X-MBX-ORDER-COUNT-{limit.interval_count}{limit.interval[0]}": str(count)
            for limit, count in zip(ORDER_LIMITS, counts, strict=True)
        }

    def _response(
        self, request: web.Request, answer: object, headers: dict[str, str]
    ) -> web.Response:
        status = 200
        if isinstance(answer, ApiError):
            status = answer.status
            if answer.retry_at_ms is not None:
                wait = seconds_until(answer.retry_at_ms, self.dispatcher.exchange.clock.now_ms())
                headers["Retry-After"] = str(wait)
            answer = answer.body()
        used = str(self.dispatcher.used_weight(_address(request)))
        headers |= {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        headers["x-mbx-uuid"] = str(uuid4())
        return web.Response(
            body=encode_json(answer),
            status=status,
            headers=headers,
            content_type="application/json",
        )


async def _spoil(
    request: web.Request, response: web.Response, spoiled: SpoiledAnswer
) -> web.StreamResponse:
    """The damaged answer in place of the one that was meant for the client."""
    if spoiled.kind == "html":
        return _html_error(spoiled.status)
    if spoiled.kind == "half":
        body = response.body if isinstance(response.body, bytes) else b""
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await asyncio.sleep(0)
    HttpClient(request).abort()
    return response


def _address(request: web.Request) -> str:
    return request.remote or ""


async def _read_form(request: web.Request) -> str:
    """The body of a form, exactly as sent; GET has none."""
    if request.method == "GET" or request.content_type != FORM_TYPE:
        return ""
    return (await request.read()).decode("utf-8", "surrogateescape")


def _html_error(status: int) -> web.Response:
    """An error from in front of the exchange, which speaks no JSON."""
    text = f"<html><body><h1>{status}</h1></body></html>"
    return web.Response(status=status, text=text, content_type="text/html")


def _not_found(request: web.Request) -> web.Response:
    if request.path == LISTEN_KEY_PATH:
        return web.Response(status=410)
    html = "text/html" in request.headers.get("Accept", "")
    text = "<html><body><h2>404 Not found</h2></body></html>" if html else ""
    return web.Response(status=404, text=text, content_type="text/html" if html else "text/plain")
