"""Faults of placements and cancels, by what comes of them and what is answered."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Annotated, Literal, Self

from msgspec import Meta

from sandbox.call import Call, Spoiled
from sandbox.engine import Course
from sandbox.faults.fault import Milliseconds, OrderFault
from sandbox.wire import ApiError, Json

Act = Callable[[Course], Json]
HeldMs = Annotated[int, Meta(ge=0, le=86_400_000)]

TIMED_OUT = (
    "Timeout waiting for response from backend server. Send status unknown; "
    "execution status unknown."
)
UNKNOWN_OUTCOMES = (  # status, code and message of the errors after which nobody knows
    (504, -1007, TIMED_OUT),
    (500, -1000, "An unknown error occurred while processing the request."),
    (503, -1001, "Internal error; unable to process your request. Please try again."),
    (502, -1006, "An unexpected response was received from the message bus. "
                 "Execution status unknown."),
)  # fmt: skip


def reveal(outcome: Json | ApiError) -> Json:
    """The true answer; raises it where it is an error."""
    if isinstance(outcome, ApiError):
        raise outcome
    return outcome


class AnswerFault(OrderFault):
    """The order is carried out or not, after `held_ms`, and the answer does not tell.

    An order that was held until its recvWindow was over is not carried out. Where `of` is
    "cancel", all this is of the next cancels instead.
    """

    of: Literal["place", "cancel"] = "place"
    executed: bool = True
    held_ms: HeldMs = 0

    @property
    def action(self) -> str:
        return self.of

    async def befall(self, call: Call, act: Act) -> object:
        return await self.answered(call, await self._outcome(call, act))

    async def _outcome(self, call: Call, act: Act) -> Json | ApiError:
        if not self.executed:
            return ApiError(-1007, TIMED_OUT, 504)
        await call.exchange.clock.sleep(self.held_ms)
        try:
            if self.held_ms:
                call.check_window()
            return act(Course())
        except ApiError as error:
            return error

    async def answered(self, call: Call, outcome: Json | ApiError) -> object:
        raise NotImplementedError


class OrderTimeout(AnswerFault, tag="order_timeout"):
    """No answer, or one only after `answer_after_ms` more.

    A late answer is the true one, or -1007 where the order was not carried out.
    """

    answer_after_ms: int | None = None

    async def answered(self, call: Call, outcome: Json | ApiError) -> object:
        await call.stay_silent(self.answer_after_ms)
        return reveal(outcome)

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        after_ms = draw.choice((None, draw.randint(100, 3_000)))
        return cls(executed=draw.random() < 0.5, answer_after_ms=after_ms)


class OrderError(AnswerFault, tag="order_error"):
    """An error of unknown outcome."""

    status: int = 504
    code: int = -1007
    msg: str = TIMED_OUT

    async def answered(self, call: Call, outcome: Json | ApiError) -> object:
        raise ApiError(self.code, self.msg, self.status)

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        status, code, message = draw.choice(UNKNOWN_OUTCOMES)
        return cls(executed=draw.random() < 0.5, status=status, code=code, msg=message)


class OrderHtml(AnswerFault, tag="order_html"):
    """A status of 5xx, or 403, with a page of HTML; over WebSocket a plain -1000."""

    status: int = 502

    async def answered(self, call: Call, outcome: Json | ApiError) -> object:
        call.spoiled = Spoiled("html", self.status)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(executed=draw.random() < 0.5, status=draw.choice((500, 502, 503, 504)))


class OrderReset(AnswerFault, tag="order_reset"):
    """The connection is reset once the request is there."""

    async def answered(self, call: Call, outcome: Json | ApiError) -> object:
        call.spoiled = Spoiled("reset")
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(executed=draw.random() < 0.5)


class OrderHalf(AnswerFault, tag="order_half"):
    """Half of the true answer, then the connection ends."""

    async def answered(self, call: Call, outcome: Json | ApiError) -> object:
        call.spoiled = Spoiled("half")
        return reveal(outcome)

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(executed=draw.random() < 0.5)


class HeldOrder(OrderFault, tag="held_order"):
    """It gets to the engine only after `ms`, -1021 if its recvWindow is over; answered then."""

    ms: Milliseconds = 500

    async def befall(self, call: Call, act: Act) -> object:
        await call.exchange.clock.sleep(self.ms)
        call.check_window()
        return act(Course())

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(ms=draw.randint(50, 3_000))


class DelayedExecution(OrderFault, tag="delayed_execution"):
    """Accepted and answered as NEW at once; matched only `ms` later."""

    ms: Milliseconds = 500

    async def befall(self, call: Call, act: Act) -> object:
        return act(Course(delay_ms=self.ms))

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(ms=draw.randint(50, 3_000))


class SlowFills(OrderFault, tag="slow_fills"):
    """The first fill at once, which is answered; at least three more until `fills_over_ms`."""

    fills_over_ms: Milliseconds = 1_000

    async def befall(self, call: Call, act: Act) -> object:
        return act(Course(fills_over_ms=self.fills_over_ms))

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(fills_over_ms=draw.randint(100, 3_000))


class EarlyReport(OrderFault, tag="early_report"):
    """User data tells of the order `ms` before its answer comes."""

    ms: Milliseconds = 200

    async def befall(self, call: Call, act: Act) -> object:
        answer = act(Course())
        call.places.user_data.flush(call.exchange.clock.now_ms())
        await call.stay_silent(self.ms)
        return answer

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(ms=draw.randint(20, 1_000))


class Reject(OrderFault, tag="reject"):
    """A plain refusal with the given code; nothing is carried out. `of` may be "cancel"."""

    of: Literal["place", "cancel"] = "place"
    code: int = -2010
    msg: str = "Account has insufficient balance for requested action."
    status: int = 400

    @property
    def action(self) -> str:
        return self.of

    async def befall(self, call: Call, act: Act) -> object:
        raise ApiError(self.code, self.msg, self.status)

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls()
