"""Faults of the stream connections themselves."""

from collections.abc import Sequence
from random import Random
from typing import Self

from sandbox.faults.fault import Fault, Places, Seconds, seconds
from sandbox.wire import Json


class Disconnect(Fault, tag="disconnect"):
    """Every stream socket is cut without a close frame."""

    def strike(self, at: Places) -> Json:
        return {"sockets": at.hub.cut()}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls()


class HalfFrame(Fault, tag="half_frame"):
    """The next event of every stream socket breaks off amid its frame, and the connection ends."""

    def strike(self, at: Places) -> Json:
        return {"sockets": at.hub.halve()}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls()


class Stall(Fault, tag="stall"):
    """Stream sockets open now stay open, but get nothing, pings included.

    What is due meanwhile never comes.
    """

    seconds: Seconds

    def strike(self, at: Places) -> Json:
        return {"sockets": at.hub.stall(self.seconds)}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.2, 3))


class ServerShutdown(Fault, tag="server_shutdown"):
    """Stream sockets open now are told of a shutdown, and closed `seconds` later."""

    seconds: Seconds = 10.0

    def strike(self, at: Places) -> Json:
        return {"sockets": at.hub.announce_shutdown(self.seconds)}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3))


class Refuse(Fault, tag="refuse"):
    """For `seconds` every new stream connection is answered with 503."""

    seconds: Seconds

    def strike(self, at: Places) -> Json:
        at.hub.refuse(self.seconds)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.2, 3))
