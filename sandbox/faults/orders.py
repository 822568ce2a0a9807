"""Faults of placements and cancels: their outcome, and the answer to them."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Annotated, Literal, Self

from msgspec import Meta

from sandbox.api.request import ApiRequest, ExecuteOrder, SpoiledAnswer
from sandbox.engine.matching_engine import IMMEDIATE, ExecutionTiming
from sandbox.errors import ApiError
from sandbox.faults.fault import Count, Fault, Milliseconds
from sandbox.faults.targets import FaultTargets
from sandbox.wire import Json

HeldMs = Annotated[int, Meta(ge=0, le=86_400_000)]

TIMED_OUT = (
    "Timeout waiting for response from backend server. Send status unknown; "
    "execution status unknown."
)
UNKNOWN_OUTCOMES = (  # status, code and message of errors that leave the outcome open
    (504, -1007, TIMED_OUT),
    (500, -1000, "An unknown error occurred while processing the request."),
    (503, -1001, "Internal error; unable to process your request. Please try again."),
    (502, -1006, "An unexpected response was received from the message bus. "
                 "Execution status unknown."),
)  # fmt: skip


def raise_or_return(outcome: Json | ApiError) -> Json:
    """The true answer to a request; raised where it is an error."""
    if isinstance(outcome, ApiError):
        raise outcome
    return outcome


class OrderFault(Fault):
    """Happens to the next `count` placements that pass the checks of key, time and signature."""

    count: Count = 1

    @property
    def action(self) -> str:
        """The kind of request that it takes over: "place" or "cancel"."""
        return "place"

    def apply(self, targets: FaultTargets) -> Json:
        targets.requests.interceptors[self.action] += [self] * self.count
        return {}

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        """Do what was asked or not, and answer as the fault lets it. Raises ApiError."""
        raise NotImplementedError


class OutcomeFault(OrderFault):
    """The order is executed or not, after `held_ms`, and the answer does not tell.

    An order that was held until its recvWindow was over is not executed. Where `of` is
    "cancel", all this is of the next cancels instead.
    """

    of: Literal["place", "cancel"] = "place"
    executed: bool = True
    held_ms: HeldMs = 0

    @property
    def action(self) -> str:
        return self.of

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        return await self.respond(request, await self._execute(request, execute))

    async def _execute(self, request: ApiRequest, execute: ExecuteOrder) -> Json | ApiError:
        if not self.executed:
            return ApiError(-1007, TIMED_OUT, 504)
        await request.exchange.clock.sleep(self.held_ms)
        try:
            if self.held_ms:
                request.check_recv_window()
            return execute(IMMEDIATE)
        except ApiError as error:
            return error

    async def respond(self, request: ApiRequest, outcome: Json | ApiError) -> object:
        """Answer, given the true outcome. Raises ApiError."""
        raise NotImplementedError


class OrderTimeout(OutcomeFault, tag="order_timeout"):
    """No answer, or one only after `answer_after_ms` more.

    A late answer is the true one, or -1007 where the order was not executed.
    """

    answer_after_ms: int | None = None

    async def respond(self, request: ApiRequest, outcome: Json | ApiError) -> object:
        await request.wait_silently(self.answer_after_ms)
        return raise_or_return(outcome)

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        after_ms = rng.choice((None, rng.randint(100, 3_000)))
        return cls(executed=rng.random() < 0.5, answer_after_ms=after_ms)


class OrderError(OutcomeFault, tag="order_error"):
    """An error of unknown outcome."""

    status: int = 504
    code: int = -1007
    msg: str = TIMED_OUT

    async def respond(self, request: ApiRequest, outcome: Json | ApiError) -> object:
        raise ApiError(self.code, self.msg, self.status)

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        status, code, message = rng.choice(UNKNOWN_OUTCOMES)
        return cls(executed=rng.random() < 0.5, status=status, code=code, msg=message)


class OrderHtml(OutcomeFault, tag="order_html"):
    """A status of 5xx, or 403, with a page of HTML; over WebSocket a plain -1000."""

    status: int = 502

    async def respond(self, request: ApiRequest, outcome: Json | ApiError) -> object:
        request.spoiled = SpoiledAnswer("html", self.status)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(executed=rng.random() < 0.5, status=rng.choice((500, 502, 503, 504)))


class OrderReset(OutcomeFault, tag="order_reset"):
    """The connection is reset once the request is there."""

    async def respond(self, request: ApiRequest, outcome: Json | ApiError) -> object:
        request.spoiled = SpoiledAnswer("reset")
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(executed=rng.random() < 0.5)


class OrderHalf(OutcomeFault, tag="order_half"):
    """Half of the true answer, then the connection ends."""

    async def respond(self, request: ApiRequest, outcome: Json | ApiError) -> object:
        request.spoiled = SpoiledAnswer("half")
        return raise_or_return(outcome)

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(executed=rng.random() < 0.5)


class HeldOrder(OrderFault, tag="held_order"):
    """It reaches the engine only after `ms`, -1021 if its recvWindow is over; answered then."""

    ms: Milliseconds = 500

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        await request.exchange.clock.sleep(self.ms)
        request.check_recv_window()
        return execute(IMMEDIATE)

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(ms=rng.randint(50, 3_000))


class DelayedExecution(OrderFault, tag="delayed_execution"):
    """Accepted and answered as NEW at once; matched only `ms` later."""

    ms: Milliseconds = 500

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        return execute(ExecutionTiming(delay_ms=self.ms))

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(ms=rng.randint(50, 3_000))


class SlowFills(OrderFault, tag="slow_fills"):
    """The first fill at once, which is answered; at least three more until `fills_over_ms`."""

    fills_over_ms: Milliseconds = 1_000

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        return execute(ExecutionTiming(fills_over_ms=self.fills_over_ms))

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(fills_over_ms=rng.randint(100, 3_000))


class ThinBook(OrderFault, tag="thin_book"):
    """The book has room for a `share` of the order alone; the rest of a market order expires."""

    share: Annotated[float, Meta(ge=0, lt=1)] = 0.5

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        return execute(ExecutionTiming(share=Decimal(str(self.share))))

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(share=rng.choice((0.0, round(rng.random() * 0.99, 2))))


class EarlyReport(OrderFault, tag="early_report"):
    """User data reports the order `ms` before its answer comes."""

    ms: Milliseconds = 200

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        answer = execute(IMMEDIATE)
        request.context.user_data.flush(request.exchange.clock.now_ms())
        await request.wait_silently(self.ms)
        return answer

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(ms=rng.randint(20, 1_000))


class Reject(OrderFault, tag="reject"):
    """A plain refusal with the given code; nothing is executed. `of` may be "cancel"."""

    of: Literal["place", "cancel"] = "place"
    code: int = -2010
    msg: str = "Account has insufficient balance for requested action."
    status: int = 400

    @property
    def action(self) -> str:
        return self.of

    async def intercept(self, request: ApiRequest, execute: ExecuteOrder) -> object:
        raise ApiError(self.code, self.msg, self.status)

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls()
