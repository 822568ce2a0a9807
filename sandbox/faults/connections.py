"""Faults of the connections themselves: of the streams, and of the WebSocket API."""

from collections.abc import Sequence
from random import Random
from typing import Any, Self

from sandbox.faults.fault import Fault, Seconds, random_seconds
from sandbox.faults.targets import FaultTargets
from sandbox.streams.connections import ConnectionPool
from sandbox.wire import Json


class ConnectionFault(Fault):
    """Happens to the connections of one service."""

    def connections(self, targets: FaultTargets) -> ConnectionPool[Any]:
        return targets.stream_hub


class Disconnect(ConnectionFault, tag="disconnect"):
    """Every stream socket is cut without a close frame."""

    def apply(self, targets: FaultTargets) -> Json:
        return {"sockets": self.connections(targets).abort_all()}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls()


class HalfFrame(ConnectionFault, tag="half_frame"):
    """The next event of every stream socket breaks off amid its frame, and the connection ends."""

    def apply(self, targets: FaultTargets) -> Json:
        return {"sockets": self.connections(targets).halve_next_frames()}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls()


class Stall(ConnectionFault, tag="stall"):
    """Stream sockets open now stay open, but get nothing, pings included.

    What is due meanwhile never comes.
    """

    seconds: Seconds

    def apply(self, targets: FaultTargets) -> Json:
        return {"sockets": self.connections(targets).stall_all(self.seconds)}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.2, 3))


class ServerShutdown(ConnectionFault, tag="server_shutdown"):
    """Stream sockets open now get a notice of shutdown, and are closed `seconds` later."""

    seconds: Seconds = 10.0

    def apply(self, targets: FaultTargets) -> Json:
        return {"sockets": self.connections(targets).announce_shutdown(self.seconds)}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3))


class Refuse(ConnectionFault, tag="refuse"):
    """For `seconds` every new stream connection is answered with 503."""

    seconds: Seconds

    def apply(self, targets: FaultTargets) -> Json:
        self.connections(targets).refuse_connections(self.seconds)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.2, 3))


class UserDisconnect(Disconnect, tag="user_disconnect"):
    """Every socket of the WebSocket API is cut without a close frame."""

    def connections(self, targets: FaultTargets) -> ConnectionPool[Any]:
        return targets.api_connections


class UserStall(Stall, tag="user_stall"):
    """Sockets of the WebSocket API stay open, but deliver nothing: no answers, no events."""

    def connections(self, targets: FaultTargets) -> ConnectionPool[Any]:
        return targets.api_connections


class UserShutdown(ServerShutdown, tag="user_shutdown"):
    """Sockets of the WebSocket API get a notice of shutdown, and are closed `seconds` later."""

    def connections(self, targets: FaultTargets) -> ConnectionPool[Any]:
        return targets.api_connections


class UserRefuse(Refuse, tag="user_refuse"):
    """For `seconds` every new connection to the WebSocket API is answered with 503."""

    def connections(self, targets: FaultTargets) -> ConnectionPool[Any]:
        return targets.api_connections
