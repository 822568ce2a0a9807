"""A sandbox inside the test process: the real server on a free port, its clock in our hands."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import websocket

from sandbox.api.signing import sign
from sandbox.clock import MINUTE_MS, Clock
from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET, SandboxConfig
from sandbox.engine.exchange import Exchange
from sandbox.server import SandboxServer
from tests.servers import eventually

Json = Any


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def fast_clock(pace: int) -> Callable[[], int]:
    """A clock that runs so many times as fast as ours, so that tests wait less."""
    begin_ms = wall_ms()
    return lambda: begin_ms + (wall_ms() - begin_ms) * pace


class PausedClock:
    """A clock that stands still at a time until it is resumed."""

    def __init__(self, at_ms: int, pace: int) -> None:
        self.read_ms: Callable[[], int] = lambda: at_ms
        self.at_ms, self.pace = at_ms, pace

    def resume(self) -> None:
        ahead_ms, read_ms = self.at_ms - wall_ms(), fast_clock(self.pace)
        self.read_ms = lambda: read_ms() + ahead_ms

    def __call__(self) -> int:
        return self.read_ms()


class Venue:
    """A running exchange. `shift_ms` moves its clock against ours; it never runs backwards."""

    def __init__(self, config: SandboxConfig, read_ms: Callable[[], int] = wall_ms) -> None:
        self.shift_ms = 0
        self.timeout_s = 5.0  # seconds that a signed request waits for its answer
        self.clock = Clock(lambda: read_ms() + self.shift_ms)
        self.exchange = Exchange(config, self.clock)
        self.server = SandboxServer(self.exchange)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = self._await(self.server.start("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.port}"

    def _await(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def stop(self) -> None:
        self._await(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def run_in_loop(self, action: Callable[[], Any]) -> Any:
        """Run something between two steps of the simulation."""

        async def act() -> Any:
            return action()

        return self._await(act())

    def get(self, path: str, **params: object) -> Json:
        return self.request("GET", path, **params).json()

    def request(self, method: str, path: str, **params: object) -> requests.Response:
        return requests.request(method, f"{self.url}{path}", params=params, timeout=5)  # type: ignore[arg-type]

    def signed_request(self, method: str, path: str, **params: object) -> requests.Response:
        params.setdefault("timestamp", self.clock.now_ms())
        query = urlencode(params)
        query += f"&signature={sign(SAMPLE_SECRET, query)}"
        return requests.request(
            method,
            f"{self.url}{path}?{query}",
            headers={"X-MBX-APIKEY": SAMPLE_KEY},
            timeout=self.timeout_s,
        )

    def place_order(self, **params: object) -> requests.Response:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"} | params
        return self.signed_request("POST", "/api/v3/order", **order)

    def ledger(self) -> Json:
        return self.get("/sandbox/ledger")

    def inject_fault(self, name: str, **params: object) -> Json:
        body = {"fault": name, **params}
        return requests.post(f"{self.url}/sandbox/faults", json=body, timeout=5).json()

    def socket(self, path: str) -> websocket.WebSocket:
        socket = websocket.create_connection(f"ws://127.0.0.1:{self.port}{path}", timeout=5)
        assert isinstance(socket, websocket.WebSocket)
        return socket

    def wait_for_connections(self, count: int) -> None:
        """Wait until the exchange knows of so many connections."""
        assert eventually(lambda: len(self.server.stream_hub.connections) >= count)


@contextmanager
def running(config: SandboxConfig, read_ms: Callable[[], int] = wall_ms) -> Iterator[Venue]:
    """An exchange of a test's own, in which nothing runs that is not asked for."""
    venue = Venue(config, read_ms)
    venue.exchange.sleeping_markets.clear()
    try:
        yield venue
    finally:
        venue.stop()


@contextmanager
def replaying_trades(folder: Path, *offsets_ms: int) -> Iterator[Venue]:
    """A replay of BTCUSDT that is about to begin, with one trade at each offset.

    Trade ids and aggregate-trade ids are 1, 2, 3..., each price is a hundred more than its id.
    The clock runs twice as fast as ours.
    """
    rows = [
        f"{place},{100 + place},{place},0,{1_700_000_040_000 + offset_ms},{place % 2 == 0},True"
        for place, offset_ms in enumerate(offsets_ms, 1)
    ]
    path = folder / "BTCUSDT-trades.csv"
    path.write_text("\n".join(rows) + "\n")
    with replaying_files(path, pace=2) as venue:
        yield venue


@contextmanager
def replaying_files(*paths: Path, speed: int = 1, pace: int = 1) -> Iterator[Venue]:
    """A replay that begins half a second after this returns, by its own clock."""
    clock = PausedClock((wall_ms() // MINUTE_MS + 1) * MINUTE_MS - 500, pace)
    with running(SandboxConfig([], replay=paths, speed=Fraction(speed)), clock) as venue:
        for symbol in venue.exchange.markets:
            venue.exchange.market(symbol)
        clock.resume()
        yield venue


def send_control(socket: websocket.WebSocket, method: str, *params: object, id: object = 1) -> Json:
    """Send a control message; returns the reply, passing over events that come before it."""
    message = {"method": method, "id": id} | ({"params": params} if params else {})
    socket.send(json.dumps(message))
    return receive_reply(socket)


def receive_reply(socket: websocket.WebSocket) -> Json:
    while True:
        answer = json.loads(socket.recv())
        if "id" in answer:
            return answer


def receive_events(socket: websocket.WebSocket, count: int) -> list[Json]:
    return [json.loads(socket.recv()) for _ in range(count)]


def receive_events_since(socket: websocket.WebSocket, since_ms: int, count: int) -> list[Json]:
    """The next events up to the `count`th of those after `since_ms`: some may be under way."""
    found: list[Json] = []
    while count:
        found += receive_events(socket, 1)
        count -= found[-1].get("data", found[-1])["E"] > since_ms
    return found


def receive_closed_klines(socket: websocket.WebSocket, count: int) -> list[Json]:
    """The next klines that come with x=true."""
    return [receive_until(socket, lambda event: event["k"]["x"])["k"] for _ in range(count)]


def receive_until(
    socket: websocket.WebSocket, wanted: Callable[[Json], bool], max_events: int = 5000
) -> Json:
    """The first event that is wanted."""
    for _ in range(max_events):
        event = json.loads(socket.recv())
        if wanted(event):
            return event
    raise AssertionError(f"not among {max_events} events")


def total(rows: list[Json], field: str) -> Decimal:
    return sum((Decimal(row[field]) for row in rows), Decimal(0))
