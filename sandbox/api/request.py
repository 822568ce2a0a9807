"""Requests of REST and WebSocket API, and the endpoints that answer them."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sandbox.api import signing
from sandbox.api.limits import WeightRule
from sandbox.api.params import RequestParams
from sandbox.api.request_faults import RequestFaults
from sandbox.clock import POLL_MS
from sandbox.engine.exchange import Exchange
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import ExecutionTiming, MatchingEngine
from sandbox.engine.request_log import LoggedRequest
from sandbox.streams.user_data import UserDataStream
from sandbox.wire import Json

MAX_SILENCE_MS = 300_000


class Client(Protocol):
    """The sender of a request, who waits for the answer."""

    @property
    def is_disconnected(self) -> bool: ...

    def abort(self) -> None:
        """End the connection without an answer."""


@dataclass(frozen=True, slots=True)
class SpoiledAnswer:
    """Damage to an answer on its way out: a page of HTML, a reset, or only half of it."""

    kind: Literal["html", "reset", "half"]
    status: int = 502


class OrderInterceptor(Protocol):
    """A fault that takes over one placement or cancel from the engine."""

    @property
    def name(self) -> str: ...

    async def intercept(self, request: "ApiRequest", execute: "ExecuteOrder") -> object:
        """Do what was asked or not, and answer. Raises ApiError."""


@dataclass(slots=True)
class ApiContext:
    """The parts of the exchange that requests work on, and the faults of these requests.

    `interceptors` are one for each placement and each cancel to come, by "place" or "cancel".
    """

    exchange: Exchange
    user_data: UserDataStream
    faults: RequestFaults = field(default_factory=RequestFaults)
    interceptors: dict[str, list[OrderInterceptor]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def pop_interceptor(self, action: str) -> OrderInterceptor | None:
        """Take the interceptor that waits for this placement or cancel."""
        waiting = self.interceptors[action]
        return waiting.pop(0) if waiting else None


@dataclass(slots=True)
class ApiRequest:
    """One request, its sender, and the parts of the exchange that it works on.

    `now_ms` is the markets' time of its arrival, `server_time_ms` that of the servers' clock.
    A handler sets `is_placement` for an answer that shows the order counts, and `spoiled`
    for one that must not arrive whole.
    """

    context: ApiContext
    params: RequestParams
    client: Client
    log_entry: LoggedRequest
    now_ms: int
    server_time_ms: int
    is_placement: bool = False
    spoiled: SpoiledAnswer | None = None

    @property
    def exchange(self) -> Exchange:
        return self.context.exchange

    @property
    def engine(self) -> MatchingEngine:
        return self.context.exchange.engine

    def market(self) -> Market:
        """The market of the parameter `symbol`; raises -1102, -1121."""
        return self.exchange.market(self.params.text("symbol"))

    def check_recv_window(self) -> None:
        """Raise -1021 where the request has become too old to go into the engine."""
        now_ms = self.exchange.clock.now_ms()
        signing.check_age(self.params, self.context.faults.server_time_ms(now_ms))

    def log_answer(self, status: int, code: int | None = None) -> None:
        """Log the answer, unless nobody is there to get one that is whole."""
        if self.spoiled and self.spoiled.kind == "html":
            self.log_entry.status = self.spoiled.status
        elif not (self.spoiled or self.client.is_disconnected):
            self.log_entry.status, self.log_entry.code = status, code

    async def wait_silently(self, length_ms: int | None) -> None:
        """Wait so long, or until the client gives up; where None, abort the connection at last."""
        clock = self.exchange.clock
        until_ms = clock.now_ms() + (MAX_SILENCE_MS if length_ms is None else length_ms)
        while (left_ms := until_ms - clock.now_ms()) > 0:
            if self.client.is_disconnected:
                return
            await clock.sleep(min(left_ms, POLL_MS))
        if length_ms is None:
            self.client.abort()


ExecuteOrder = Callable[[ExecutionTiming], Json]
Handler = Callable[[ApiRequest], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A kind of request: its handler, the parameters that it reads, and its weight.

    `refunds_weight` gives the weight back where the request succeeds. `order_action` names in
    the ledger what a request that carries an order does; others have none.
    """

    handle: Handler
    parameters: tuple[str, ...]
    weight: WeightRule
    is_signed: bool = False
    refunds_weight: bool = False
    order_action: str | None = None


Routes = Mapping[tuple[str, str], Endpoint]
Methods = Mapping[str, Endpoint]
