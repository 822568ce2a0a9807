"""Faults of REST. Without paths they befall all of /api/v3."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Self

from msgspec import Meta

from sandbox.faults.fault import Count, Fault, Milliseconds, Path, Seconds, seconds
from sandbox.faults.targets import Places
from sandbox.wire import Json


class SlowRest(Fault, tag="slow_rest"):
    """For `seconds` every answer comes `ms` later, and is as old by then."""

    seconds: Seconds
    ms: Milliseconds
    paths: list[Path] = []

    def strike(self, at: Places) -> Json:
        at.requests.faults.delay_answers(at.in_seconds(self.seconds), self.ms, tuple(self.paths))
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3), draw.randint(20, 1_500))


class RestLag(Fault, tag="rest_lag"):
    """For `seconds` REST shows of trades and klines only what was traded `ms` ago or earlier.

    So a kline whose time is over may still lack trades, as where the database is behind.
    """

    seconds: Seconds
    ms: Milliseconds

    def strike(self, at: Places) -> Json:
        at.requests.faults.lag_market_data(at.in_seconds(self.seconds), self.ms)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3), draw.randint(50, 2_000))


class RateLimit(Fault, tag="rate_limit"):
    """For `seconds` every request is refused with 429, or 418 where `banned`, and Retry-After.

    So is every request of the WebSocket API. Where `signed`, only what is signed is refused.
    """

    seconds: Seconds
    banned: bool = False
    signed: bool = False

    def strike(self, at: Places) -> Json:
        at.requests.faults.limit_requests(at.in_seconds(self.seconds), self.banned, self.signed)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3), draw.random() < 0.25)


class RestError(Fault, tag="rest_error"):
    """The next `count` GETs are answered with a status of 5xx and a body that is not JSON."""

    count: Count = 1
    status: Annotated[int, Meta(ge=500, le=599)] = 502
    paths: list[Path] = []

    def strike(self, at: Places) -> Json:
        at.requests.faults.fail_requests(self.count, self.status, tuple(self.paths))
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(draw.randint(1, 5), draw.choice((500, 502, 503, 504)))
