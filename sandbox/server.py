"""One port for REST, streams and the sandbox's own pages."""

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
from sandbox.faults.injector import Faults
from sandbox.faults.targets import BadFault, Places
from sandbox.simulation import Simulation
from sandbox.streams.connections import Connection, ConnectionPool
from sandbox.streams.frames import PING, PONG, TEXT
from sandbox.streams.market_streams import StreamHub
from sandbox.streams.user_data import UserDataStream
from sandbox.wire import encode_json

LARGEST_MESSAGE_BYTES = 1024 * 1024
OPCODES = {WSMsgType.TEXT: TEXT, WSMsgType.BINARY: TEXT, WSMsgType.PING: PING, WSMsgType.PONG: PONG}
STOP_SECONDS = 0.3
CONNECTING = 2  # what opening a connection to the WebSocket API weighs


class Server:
    """The venue on the network."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        clock, lifetime_ms = exchange.clock, exchange.config.lifetime_ms
        self.hub = StreamHub(clock, self._wake, lifetime_ms)
        user_data = UserDataStream(exchange.outbox)
        context = ApiContext(exchange, user_data)
        sockets = ConnectionPool[ApiConnection](clock, lifetime_ms)
        places = Places(context, self.hub, sockets)
        self.faults = Faults(places)
        self.simulation = Simulation(exchange, self.faults)
        self.desk = Dispatcher(context)
        self.rest, self.api = RestApi(self.desk, ROUTES), WebSocketApi(self.desk, sockets, METHODS)
        self._runner = web.AppRunner(
            self._app(), access_log=None, handle_signals=False, shutdown_timeout=STOP_SECONDS
        )
        self._running: asyncio.Task[None] | None = None

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ws", self._raw)
        app.router.add_get("/ws/{names:.*}", self._raw)
        app.router.add_get("/stream", self._combined)
        app.router.add_get("/ws-api/v3", self._ws_api)
        app.router.add_get("/sandbox/ledger", self._ledger)
        app.router.add_get("/sandbox/faults", self._waiting_faults)
        app.router.add_post("/sandbox/faults", self._inject_fault)
        app.router.add_delete("/sandbox/faults", self._clear_faults)
        app.router.add_post("/sandbox/storm", self._let_storm)
        app.router.add_route("*", "/{path:.*}", self.rest.handle)
        return app

    async def start(self, host: str, port: int) -> int:
        """Listen and let the markets run; returns the port. Raises OSError where it is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._running = asyncio.create_task(self.simulation.run())
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._running:
            self._running.cancel()
        self.hub.abort_all()
        self.api.connections.abort_all()
        await self._runner.cleanup()

    async def failed(self) -> None:
        """Return, with its exception, only when the markets have stopped moving."""
        if self._running:
            await self._running

    def _wake(self, stream: str) -> None:
        market = self.exchange.markets.get(stream.partition("@")[0].upper())
        if market:
            market.wake(self.exchange.clock.now_ms())

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        names = unquote(request.match_info.get("names", ""))
        return await self._serve(request, names, combined=False)

    async def _combined(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, request.query.get("streams", ""), combined=True)

    async def _serve(self, request: web.Request, names: str, combined: bool) -> web.StreamResponse:
        if self.hub.is_refusing:
            return web.Response(status=503)
        socket, transport = await _accepted(request)
        if transport is None:
            return socket
        connection = self.hub.open_connection(transport, combined)
        try:
            connection.subscribe([name for name in names.split("/") if name])
            await _hear(socket, connection)
        finally:
            self.hub.remove_connection(connection)
        return socket

    async def _ws_api(self, request: web.Request) -> web.StreamResponse:
        if self.api.connections.is_refusing:
            return web.Response(status=503)
        try:
            self.desk.charge_weight(request.remote or "", CONNECTING)
        except ApiError as error:
            return _json(error.body(), error.status)
        socket, transport = await _accepted(request)
        if transport is None:
            return socket
        wants_limits = request.query.get("returnRateLimits") != "false"
        connection = self.api.open_connection(transport, wants_limits)
        try:
            await _hear(socket, connection)
        finally:
            self.api.remove_connection(connection)
        return socket

    async def _ledger(self, request: web.Request) -> web.Response:
        return _json(full_ledger(self.exchange))

    async def _waiting_faults(self, request: web.Request) -> web.Response:
        return _json(self.faults.waiting())

    async def _inject_fault(self, request: web.Request) -> web.Response:
        try:
            told = self.faults.inject(registry.parse(await request.read()))
        except BadFault as error:
            return _json({"error": "bad_fault", "detail": str(error)}, 400)
        return _json(told)

    async def _let_storm(self, request: web.Request) -> web.Response:
        try:
            forecast = storm.parse(await request.read())
        except BadFault as error:
            return _json({"error": "bad_storm", "detail": str(error)}, 400)
        return _json(self.faults.let_storm(forecast, self.exchange.clock.now_ms()))

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return _json({})


async def _accepted(
    request: web.Request,
) -> tuple[web.WebSocketResponse, asyncio.Transport | None]:
    """The handshake done; without a transport where the client has gone already."""
    socket = web.WebSocketResponse(
        autoping=False, compress=False, max_msg_size=LARGEST_MESSAGE_BYTES
    )
    await socket.prepare(request)
    transport = request.transport
    return socket, transport if isinstance(transport, asyncio.Transport) else None


async def _hear(socket: web.WebSocketResponse, connection: Connection) -> None:
    """Hand every frame on until the client goes."""
    async for message in socket:
        if message.type in OPCODES:
            data = message.data
            payload = data.encode() if isinstance(data, str) else bytes(data)
            connection.on_frame(OPCODES[message.type], payload)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=encode_json(value), status=status, content_type="application/json")
