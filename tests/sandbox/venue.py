"""A sandbox inside the test process: the real server on a free port, its clock in our hands.

Its time stands still while a test acts and moves on, in small steps, while one waits for what
comes: so no outcome hangs on how fast the machine is, and nobody waits for real seconds.
"""

import asyncio
import json
import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import websocket

from sandbox.api.signing import sign
from sandbox.clock import HOUR_MS, MINUTE_MS, Clock
from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET, SandboxConfig
from sandbox.engine.exchange import Exchange
from sandbox.server import SandboxServer
from tests.servers import HANG_S, eventually

Json = Any
STEP_MS = 10


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def paused_clock(at_ms: int | None = None) -> Callable[[], int]:
    """A clock that shows one time, ours of now where it is not given."""
    begin_ms = wall_ms() if at_ms is None else at_ms
    return lambda: begin_ms


class VenueSocket(websocket.WebSocket):
    """A client's socket: while it waits for more, the exchange's time moves on."""

    venue: "Venue"
    holds_time = False  # for an answer that comes at once

    def _recv(self, bufsize: int) -> bytes:
        if not self.holds_time:
            self.venue.step_until(self.has_more)
        received: bytes = super()._recv(bufsize)
        return received

    def has_more(self) -> bool:
        """True where something has come that was not read yet, the end included."""
        return self.sock is None or bool(select.select([self.sock], [], [], 0)[0])


class Venue:
    """A running exchange. `shift_ms` moves its clock; it never runs backwards.

    With a clock that runs by itself (`wall_ms`) nothing has to be waited for in steps, nor can be.
    """

    def __init__(self, config: SandboxConfig, read_ms: Callable[[], int] | None = None) -> None:
        self.shift_ms = 0
        self.timeout_s = HANG_S  # seconds that a signed request waits for its answer
        read_ms = read_ms or paused_clock()
        self.clock = Clock(lambda: read_ms() + self.shift_ms)
        self.exchange = Exchange(config, self.clock)
        self.server = SandboxServer(self.exchange)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = self._await(self.server.start("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.port}"

    def _await(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(HANG_S)

    def stop(self) -> None:
        self._await(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(HANG_S)
        self._loop.close()

    def run_in_loop(self, action: Callable[[], Any]) -> Any:
        """Run something between two steps of the simulation."""

        async def act() -> Any:
            return action()

        return self._await(act())

    def step(self) -> None:
        """Let a little time pass, with what happens in it."""
        self.shift_ms += STEP_MS
        self.run_in_loop(self.server.simulation.step)

    def pass_time(self, length_ms: int) -> None:
        """Let so much time pass, step by step."""
        until_ms = self.clock.now_ms() + length_ms
        while self.clock.now_ms() < until_ms:
            self.step()

    def step_until(self, happened: Callable[[], object]) -> None:
        """Let time pass until it has happened. AssertionError where it does not in an hour."""
        for _ in range(HOUR_MS // STEP_MS):
            if happened():
                return
            self.step()
        raise AssertionError("it did not happen in an hour of the exchange's time")

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Time moves on by itself meanwhile: for a request that is answered later."""
        done = threading.Event()

        def move() -> None:
            while not done.wait(STEP_MS / 1000):
                self.step()

        mover = threading.Thread(target=move)
        mover.start()
        try:
            yield
        finally:
            done.set()
            mover.join()

    def get(self, path: str, **params: object) -> Json:
        return self.request("GET", path, **params).json()

    def request(self, method: str, path: str, **params: object) -> requests.Response:
        return requests.request(method, f"{self.url}{path}", params=params, timeout=HANG_S)  # type: ignore[arg-type]

    def signed_request(self, method: str, path: str, **params: object) -> requests.Response:
        params.setdefault("timestamp", self.clock.now_ms())
        query = urlencode(params)
        query += f"&signature={sign(SAMPLE_SECRET, query)}"
        return requests.request(
            method,
            f"{self.url}{path}?{query}",
            headers={"X-MBX-APIKEY": SAMPLE_KEY},
            timeout=(HANG_S, self.timeout_s),
        )

    def place_order(self, **params: object) -> requests.Response:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"} | params
        return self.signed_request("POST", "/api/v3/order", **order)

    def place_held_order(self, **params: object) -> requests.Response:
        """An order that is answered later: time moves on once the exchange has it."""
        before = len(self.ledger()["requests"])
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.place_order, **params)
            assert eventually(lambda: len(self.ledger()["requests"]) > before)
            with self.moving():
                return answer.result()

    def ledger(self) -> Json:
        return self.get("/sandbox/ledger")

    def inject_fault(self, name: str, **params: object) -> Json:
        body = {"fault": name, **params}
        return requests.post(f"{self.url}/sandbox/faults", json=body, timeout=HANG_S).json()

    def socket(self, path: str) -> VenueSocket:
        url = f"ws://127.0.0.1:{self.port}{path}"
        socket = websocket.create_connection(url, timeout=HANG_S, class_=VenueSocket)
        assert isinstance(socket, VenueSocket)
        socket.venue = self
        return socket

    def wait_for_connections(self, count: int) -> None:
        """Wait until the exchange knows of so many connections."""
        assert eventually(lambda: len(self.server.stream_hub.connections) >= count)


@contextmanager
def running(config: SandboxConfig, read_ms: Callable[[], int] | None = None) -> Iterator[Venue]:
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
    """
    rows = [
        f"{place},{100 + place},{place},0,{1_700_000_040_000 + offset_ms},{place % 2 == 0},True"
        for place, offset_ms in enumerate(offsets_ms, 1)
    ]
    path = folder / "BTCUSDT-trades.csv"
    path.write_text("\n".join(rows) + "\n")
    with replaying_files(path) as venue:
        yield venue


@contextmanager
def replaying_files(*paths: Path, speed: int = 1) -> Iterator[Venue]:
    """A replay that begins half a second later, by its own clock."""
    clock = paused_clock((wall_ms() // MINUTE_MS + 1) * MINUTE_MS - 500)
    with running(SandboxConfig([], replay=paths, speed=Fraction(speed)), clock) as venue:
        for symbol in venue.exchange.markets:
            venue.exchange.market(symbol)
        yield venue


def send_control(socket: VenueSocket, method: str, *params: object, id: object = 1) -> Json:
    """Send a control message; returns the reply, passing over events that come before it."""
    message = {"method": method, "id": id} | ({"params": params} if params else {})
    socket.send(json.dumps(message))
    return receive_reply(socket)


def receive_reply(socket: VenueSocket) -> Json:
    """The next reply. Time stands still until it comes."""
    socket.holds_time = True
    while "id" not in (answer := json.loads(socket.recv())):
        pass
    socket.holds_time = False
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
