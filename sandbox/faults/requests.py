"""Faults of REST requests. Without paths they happen to all of /api/v3."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Self

from msgspec import Meta

from sandbox.faults.fault import Count, Fault, Milliseconds, Path, Seconds, random_seconds
from sandbox.faults.targets import FaultTargets
from sandbox.wire import Json


class SlowRest(Fault, tag="slow_rest"):
    """For `seconds` every answer comes `ms` later, and is as old by then."""

    seconds: Seconds
    ms: Milliseconds
    paths: list[Path] = []

    def apply(self, targets: FaultTargets) -> Json:
        until_ms = targets.ms_after(self.seconds)
        targets.requests.faults.delay_answers(until_ms, self.ms, tuple(self.paths))
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3), rng.randint(20, 1_500))


class RestLag(Fault, tag="rest_lag"):
    """For `seconds` REST shows of trades and klines only what was traded `ms` ago or earlier.

    So a kline whose time is over may still lack trades, as where the database is behind.
    """

    seconds: Seconds
    ms: Milliseconds

    def apply(self, targets: FaultTargets) -> Json:
        targets.requests.faults.lag_market_data(targets.ms_after(self.seconds), self.ms)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3), rng.randint(50, 2_000))


class RateLimit(Fault, tag="rate_limit"):
    """For `seconds` every request is refused with 429, or 418 where `banned`, and Retry-After.

    So is every request of the WebSocket API. Where `signed`, only what is signed is refused.
    """

    seconds: Seconds
    banned: bool = False
    signed: bool = False

    def apply(self, targets: FaultTargets) -> Json:
        until_ms = targets.ms_after(self.seconds)
        targets.requests.faults.limit_requests(until_ms, self.banned, self.signed)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3), rng.random() < 0.25)


class RestError(Fault, tag="rest_error"):
    """The next `count` GETs are answered with a status of 5xx and a body that is not JSON."""

    count: Count = 1
    status: Annotated[int, Meta(ge=500, le=599)] = 502
    paths: list[Path] = []

    def apply(self, targets: FaultTargets) -> Json:
        targets.requests.faults.fail_requests(self.count, self.status, tuple(self.paths))
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.randint(1, 5), rng.choice((500, 502, 503, 504)))
