"""A request on its way, by whichever door it came, and the table of what can be asked."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from sandbox import signing
from sandbox.carried import Sent
from sandbox.clock import LOOK_EVERY_MS
from sandbox.exchange import Exchange
from sandbox.faults.fault import Places
from sandbox.params import Params

LONGEST_SILENCE_MS = 300_000


class Caller(Protocol):
    """Who waits for the answer."""

    @property
    def is_gone(self) -> bool: ...

    def abort(self) -> None:
        """End the connection without a word."""


@dataclass(frozen=True, slots=True)
class Spoiled:
    """How an answer is spoiled on its way out: a page of HTML, a reset, or only half of it."""

    by: Literal["html", "reset", "half"]
    status: int = 502


@dataclass(slots=True)
class Call:
    """What was asked, when, and the parts of the venue it may touch.

    `now_ms` is the markets' time, `server_ms` the time that the servers take it for.
    A handler sets `is_placement` for an answer that tells the order counts, and `spoiled`
    for one that must not arrive whole.
    """

    exchange: Exchange
    places: Places
    params: Params
    caller: Caller
    sent: Sent
    now_ms: int
    server_ms: int
    is_placement: bool = False
    spoiled: Spoiled | None = None

    def check_window(self) -> None:
        """Raise -1021 where the request has become too old to go into the engine."""
        now_ms = self.exchange.clock.now_ms()
        signing.check_again(self.params, self.places.obstacles.server_ms(now_ms))

    def write_down(self, status: int, code: int | None = None) -> None:
        """What it was answered with, unless nobody is there to get an answer that is whole."""
        if self.spoiled and self.spoiled.by == "html":
            self.sent.status = self.spoiled.status
        elif not (self.spoiled or self.caller.is_gone):
            self.sent.status, self.sent.code = status, code

    async def stay_silent(self, length_ms: int | None) -> None:
        """Say nothing for so long, or until the client gives up; where None, hang up in the end."""
        clock = self.exchange.clock
        until_ms = clock.now_ms() + (LONGEST_SILENCE_MS if length_ms is None else length_ms)
        while (left_ms := until_ms - clock.now_ms()) > 0:
            if self.caller.is_gone:
                return
            await clock.sleep(min(left_ms, LOOK_EVERY_MS))
        if length_ms is None:
            self.caller.abort()


Weight = Callable[[Params], int]
Handler = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What can be asked for; `names` are the parameters it reads. `free` costs nothing if it works.

    `order` is what a request that carries an order does, as the ledger names it.
    """

    handle: Handler
    names: tuple[str, ...]
    weight: Weight
    signed: bool = False
    free: bool = False
    order: str | None = None


Routes = Mapping[tuple[str, str], Endpoint]
Methods = Mapping[str, Endpoint]
