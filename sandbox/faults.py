"""What goes wrong on demand: `POST /sandbox/faults` with {"fault": name, ...}.

Every fault is a Struct whose fields are its parameters, so a wrong name, field or type is
refused by one line of text. Its `strike` leaves word at one of the places where the exchange
asks before it acts: `outgoing` (prints on their way to the streams), `next_order` (placements),
or the open sockets. A schedule only has to call `inject` at its times.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol

import msgspec

from sandbox.tape import Print
from sandbox.wire import Json


class Sockets(Protocol):
    """The stream sockets that are open."""

    def cut(self) -> int:
        """Abort them all; returns how many."""

    def stall(self, seconds: float) -> int:
        """Keep them open and send nothing; returns how many."""


class Fault(msgspec.Struct, forbid_unknown_fields=True, tag_field="fault"):
    """Something to go wrong."""

    def strike(self, faults: "Faults") -> Json:
        raise NotImplementedError


class Disconnect(Fault, tag="disconnect"):
    """Every stream socket is cut without a close frame."""

    def strike(self, faults: "Faults") -> Json:
        return {"sockets": faults.sockets.cut()}


class Stall(Fault, tag="stall"):
    """Stream sockets open now stay open, but get nothing, pings included, and never will."""

    seconds: float

    def strike(self, faults: "Faults") -> Json:
        return {"sockets": faults.sockets.stall(self.seconds)}


class SkipIds(Fault, tag="skip_ids"):
    """The next `count` aggregate trades, and the trades in them, are missing on the streams."""

    symbol: str
    count: int = 1

    def strike(self, faults: "Faults") -> Json:
        faults.to_skip[self.symbol] += self.count
        return {}


class Duplicate(Fault, tag="duplicate"):
    """The next `count` aggregate trades, and the trades in them, are sent twice."""

    symbol: str
    count: int = 1

    def strike(self, faults: "Faults") -> Json:
        faults.to_repeat[self.symbol] += self.count
        return {}


class OrderFault(Fault):
    """Befalls the next `count` placements that pass the checks of key, time and signature."""

    count: int = 1

    def strike(self, faults: "Faults") -> Json:
        faults.orders += [self] * self.count
        return {}


class OrderTimeout(OrderFault, tag="order_timeout"):
    """No answer, or one only after `answer_after_ms`; the order is carried out or not.

    A late answer is the true one, or -1007 where the order was not carried out.
    """

    executed: bool = True
    answer_after_ms: int | None = None


class OrderError(OrderFault, tag="order_error"):
    """An error of unknown outcome; the order is carried out or not."""

    executed: bool = True
    status: int = 504
    code: int = -1007
    msg: str = (
        "Timeout waiting for response from backend server. "
        "Send status unknown; execution status unknown."
    )


class Reject(OrderFault, tag="reject"):
    """A plain refusal with the given code; the order is not carried out."""

    code: int = -2010
    msg: str = "Account has insufficient balance for requested action."
    status: int = 400


Kinds = Disconnect | Stall | SkipIds | Duplicate | OrderTimeout | OrderError | Reject


class Faults:
    """The faults that wait for their moment, and all that were injected."""

    MOST_REMEMBERED: ClassVar[int] = 1_000

    def __init__(self, sockets: Sockets) -> None:
        self.sockets = sockets
        self.injected: list[Fault] = []
        self.clear()

    def clear(self) -> None:
        """Forget what has not happened yet."""
        self.to_skip: dict[str, int] = defaultdict(int)
        self.to_repeat: dict[str, int] = defaultdict(int)
        self.orders: list[OrderFault] = []

    def inject(self, fault: Fault) -> Json:
        self.injected = [*self.injected[1 - self.MOST_REMEMBERED :], fault]
        return fault.strike(self)

    def outgoing(self, symbol: str, prints: Iterable[Print]) -> Iterator[Print]:
        """What the streams carry of these prints."""
        for printed in prints:
            if self.to_skip.get(symbol):
                self.to_skip[symbol] -= 1
                continue
            yield printed
            if self.to_repeat.get(symbol):
                self.to_repeat[symbol] -= 1
                yield printed

    def next_order(self) -> OrderFault | None:
        return self.orders.pop(0) if self.orders else None

    def waiting(self) -> Json:
        """What has not happened yet, and what was injected so far."""
        return {
            "skip_ids": {symbol: left for symbol, left in self.to_skip.items() if left},
            "duplicate": {symbol: left for symbol, left in self.to_repeat.items() if left},
            "orders": [msgspec.to_builtins(fault) for fault in self.orders],
            "injected": [msgspec.to_builtins(fault) for fault in self.injected],
        }


def parse(body: bytes) -> Fault:
    """A fault from JSON; raises msgspec.DecodeError saying what is wrong."""
    fault: Fault = msgspec.json.decode(body, type=Kinds)
    return fault
