"""Faults of the connections themselves: of the streams, and of the WebSocket API."""

from collections.abc import Sequence
from random import Random
from typing import Any, Self

from sandbox.faults.fault import Fault, Seconds, seconds
from sandbox.faults.targets import Places
from sandbox.streams.connections import ConnectionPool
from sandbox.wire import Json


class SocketFault(Fault):
    """Befalls the sockets of one service."""

    def sockets(self, at: Places) -> ConnectionPool[Any]:
        return at.hub


class Disconnect(SocketFault, tag="disconnect"):
    """Every stream socket is cut without a close frame."""

    def strike(self, at: Places) -> Json:
        return {"sockets": self.sockets(at).abort_all()}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls()


class HalfFrame(SocketFault, tag="half_frame"):
    """The next event of every stream socket breaks off amid its frame, and the connection ends."""

    def strike(self, at: Places) -> Json:
        return {"sockets": self.sockets(at).halve_next_frames()}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls()


class Stall(SocketFault, tag="stall"):
    """Stream sockets open now stay open, but get nothing, pings included.

    What is due meanwhile never comes.
    """

    seconds: Seconds

    def strike(self, at: Places) -> Json:
        return {"sockets": self.sockets(at).stall_all(self.seconds)}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.2, 3))


class ServerShutdown(SocketFault, tag="server_shutdown"):
    """Stream sockets open now are told of a shutdown, and closed `seconds` later."""

    seconds: Seconds = 10.0

    def strike(self, at: Places) -> Json:
        return {"sockets": self.sockets(at).announce_shutdown(self.seconds)}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3))


class Refuse(SocketFault, tag="refuse"):
    """For `seconds` every new stream connection is answered with 503."""

    seconds: Seconds

    def strike(self, at: Places) -> Json:
        self.sockets(at).refuse_connections(self.seconds)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.2, 3))


class UserDisconnect(Disconnect, tag="user_disconnect"):
    """Every socket of the WebSocket API is cut without a close frame."""

    def sockets(self, at: Places) -> ConnectionPool[Any]:
        return at.api


class UserStall(Stall, tag="user_stall"):
    """Sockets of the WebSocket API stay open, but deliver nothing: no answers, no events."""

    def sockets(self, at: Places) -> ConnectionPool[Any]:
        return at.api


class UserShutdown(ServerShutdown, tag="user_shutdown"):
    """Sockets of the WebSocket API are told of a shutdown, and closed `seconds` later."""

    def sockets(self, at: Places) -> ConnectionPool[Any]:
        return at.api


class UserRefuse(Refuse, tag="user_refuse"):
    """For `seconds` every new connection to the WebSocket API is answered with 503."""

    def sockets(self, at: Places) -> ConnectionPool[Any]:
        return at.api
