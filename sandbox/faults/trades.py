"""Faults of the trades themselves, so of the truth. No symbol means each that trades."""

from collections.abc import Sequence
from random import Random
from typing import Self

from sandbox.faults.fault import Count, Fault, Milliseconds, random_symbol
from sandbox.faults.targets import FaultTargets
from sandbox.wire import Json


class HoleIds(Fault, tag="hole_ids"):
    """The market's aggregate trades skip `count` ids, which no trade has.

    No trade is lost, and the ids of trades go on as they were.
    """

    symbol: str | None = None
    count: Count = 1

    def apply(self, targets: FaultTargets) -> Json:
        for market in targets.markets(self.symbol):
            market.source.skip_ids(self.count)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_symbol(rng, symbols), rng.randint(1, 20))


class LateTrades(Fault, tag="late_trades"):
    """Trades of the next `ms` become visible only `delay_ms` after their time T, everywhere.

    They come in order of id, and those after them not before them. Klines hold them by T: the
    event with x=true comes on time with what was visible then, so it can lack trades, and the
    REST kline changes when they come. No second x=true follows.
    """

    ms: Milliseconds
    delay_ms: Milliseconds
    symbol: str | None = None

    def apply(self, targets: FaultTargets) -> Json:
        now_ms = targets.now_ms()
        for market in targets.markets(self.symbol):
            market.source.delay_trades(now_ms, now_ms + self.ms, self.delay_ms)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.randint(500, 5_000), rng.randint(100, 3_000), random_symbol(rng, symbols))


class Backdated(Fault, tag="backdated"):
    """The next `count` aggregate trades, and the trades in them, have a T earlier by `ms`.

    They come when they happen, so a later id has an earlier T, though never before the market's
    first trade. Klines hold them by T, and open and close go by id: an earlier REST kline
    changes, without a second x=true.
    """

    ms: Milliseconds
    symbol: str | None = None
    count: Count = 1

    def apply(self, targets: FaultTargets) -> Json:
        for market in targets.markets(self.symbol):
            market.source.backdate(self.count, self.ms)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.randint(1, 3_000), random_symbol(rng, symbols), rng.randint(1, 5))
