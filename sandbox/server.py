"""The HTTP server: one port for REST, streams, WebSocket API and the sandbox's own pages."""

import asyncio
from urllib.parse import unquote

from aiohttp import WSMsgType, web

from sandbox.api.dispatcher import Dispatcher
from sandbox.api.request import ApiContext
from sandbox.api.rest import RestApi
from sandbox.api.routes import METHODS, ROUTES
from sandbox.api.websocket_api import ApiConnection, WebSocketApi
from sandbox.engine.exchange import Exchange
from sandbox.engine.ledger import full_ledger
from sandbox.errors import ApiError
from sandbox.faults import registry, storm
from sandbox.faults.injector import FaultInjector
from sandbox.faults.targets import BadFault, FaultTargets
from sandbox.simulation import Simulation
from sandbox.streams.connections import Connection, ConnectionPool
from sandbox.streams.frames import PING, PONG, TEXT
from sandbox.streams.market_streams import StreamHub
from sandbox.streams.user_data import UserDataStream
from sandbox.wire import encode_json

MAX_MESSAGE_BYTES = 1024 * 1024
OPCODES = {WSMsgType.TEXT: TEXT, WSMsgType.BINARY: TEXT, WSMsgType.PING: PING, WSMsgType.PONG: PONG}
STOP_SECONDS = 0.3
CONNECTION_WEIGHT = 2  # of opening a connection to the WebSocket API


class SandboxServer:
    """One exchange on the network, with its simulation running."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        clock, lifetime_ms = exchange.clock, exchange.config.lifetime_ms
        self.stream_hub = StreamHub(clock, self._wake_market, lifetime_ms)
        context = ApiContext(exchange, UserDataStream(exchange.outbox))
        connections = ConnectionPool[ApiConnection](clock, lifetime_ms)
        self.faults = FaultInjector(FaultTargets(context, self.stream_hub, connections))
        self.simulation = Simulation(exchange, self.faults)
        self.dispatcher = Dispatcher(context)
        self.rest_api = RestApi(self.dispatcher, ROUTES)
        self.websocket_api = WebSocketApi(self.dispatcher, connections, METHODS)
        self._runner = web.AppRunner(
            self._build_app(), access_log=None, handle_signals=False, shutdown_timeout=STOP_SECONDS
        )
        self._running: asyncio.Task[None] | None = None

    def _build_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ws", self._raw_stream)
        app.router.add_get("/ws/{names:.*}", self._raw_stream)
        app.router.add_get("/stream", self._combined_stream)
        app.router.add_get("/ws-api/v3", self._serve_websocket_api)
        app.router.add_get("/sandbox/ledger", self._get_ledger)
        app.router.add_get("/sandbox/faults", self._get_faults)
        app.router.add_post("/sandbox/faults", self._post_fault)
        app.router.add_delete("/sandbox/faults", self._delete_faults)
        app.router.add_post("/sandbox/storm", self._post_storm)
        app.router.add_route("*", "/{path:.*}", self.rest_api.handle)
        return app

    async def start(self, host: str, port: int) -> int:
        """Listen and run the simulation; returns the port. Raises OSError where it is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._running = asyncio.create_task(self.simulation.run())
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._running:
            self._running.cancel()
        self.stream_hub.abort_all()
        self.websocket_api.connections.abort_all()
        await self._runner.cleanup()

    async def wait_for_failure(self) -> None:
        """Wait until the simulation ends, which it only does by an exception; raises it."""
        if self._running:
            await self._running

    def _wake_market(self, stream: str) -> None:
        market = self.exchange.markets.get(stream.partition("@")[0].upper())
        if market:
            market.wake(self.exchange.clock.now_ms())

    async def _raw_stream(self, request: web.Request) -> web.StreamResponse:
        names = unquote(request.match_info.get("names", ""))
        return await self._serve_stream(request, names, combined=False)

    async def _combined_stream(self, request: web.Request) -> web.StreamResponse:
        return await self._serve_stream(request, request.query.get("streams", ""), combined=True)

    async def _serve_stream(
        self, request: web.Request, names: str, combined: bool
    ) -> web.StreamResponse:
        if self.stream_hub.is_refusing:
            return web.Response(status=503)
        socket, transport = await _accept(request)
        if transport is None:
            return socket
        connection = self.stream_hub.open_connection(transport, combined)
        try:
            connection.subscribe([name for name in names.split("/") if name])
            await _read_frames(socket, connection)
        finally:
            self.stream_hub.remove_connection(connection)
        return socket

    async def _serve_websocket_api(self, request: web.Request) -> web.StreamResponse:
        if self.websocket_api.connections.is_refusing:
            return web.Response(status=503)
        try:
            self.dispatcher.charge_weight(request.remote or "", CONNECTION_WEIGHT)
        except ApiError as error:
            return _json_response(error.body(), error.status)
        socket, transport = await _accept(request)
        if transport is None:
            return socket
        wants_limits = request.query.get("returnRateLimits") != "false"
        connection = self.websocket_api.open_connection(transport, wants_limits)
        try:
            await _read_frames(socket, connection)
        finally:
            self.websocket_api.remove_connection(connection)
        return socket

    async def _get_ledger(self, request: web.Request) -> web.Response:
        return _json_response(full_ledger(self.exchange))

    async def _get_faults(self, request: web.Request) -> web.Response:
        return _json_response(self.faults.status())

    async def _post_fault(self, request: web.Request) -> web.Response:
        try:
            injected = self.faults.inject(registry.parse_fault(await request.read()))
        except BadFault as error:
            return _json_response({"error": "bad_fault", "detail": str(error)}, 400)
        return _json_response(injected)

    async def _post_storm(self, request: web.Request) -> web.Response:
        try:
            config = storm.parse_storm(await request.read())
        except BadFault as error:
            return _json_response({"error": "bad_storm", "detail": str(error)}, 400)
        return _json_response(self.faults.start_storm(config, self.exchange.clock.now_ms()))

    async def _delete_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return _json_response({})


async def _accept(
    request: web.Request,
) -> tuple[web.WebSocketResponse, asyncio.Transport | None]:
    """Shake hands; the transport is None where the client has gone already."""
    socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=MAX_MESSAGE_BYTES)
    await socket.prepare(request)
    transport = request.transport
    return socket, transport if isinstance(transport, asyncio.Transport) else None


async def _read_frames(socket: web.WebSocketResponse, connection: Connection) -> None:
    """Pass every frame to the connection until the client goes."""
    async for message in socket:
        if message.type in OPCODES:
            data = message.data
            payload = data.encode() if isinstance(data, str) else bytes(data)
            connection.on_frame(OPCODES[message.type], payload)


def _json_response(value: object, status: int = 200) -> web.Response:
    return web.Response(body=encode_json(value), status=status, content_type="application/json")
