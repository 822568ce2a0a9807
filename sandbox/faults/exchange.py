"""Faults of the whole exchange: its clock, its database, its limits, its monthly reset."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Annotated, Literal, Self

from msgspec import Meta

from sandbox.api.params import MAX_PLACES
from sandbox.clock import NEVER_MS
from sandbox.engine.ledger import period_ledger
from sandbox.errors import ApiError
from sandbox.faults.fault import Fault, Milliseconds, Seconds, random_seconds
from sandbox.faults.targets import BadFault, FaultTargets
from sandbox.wire import Json

Skew = Annotated[int, Meta(ge=-86_400_000, le=86_400_000)]


class ReadLag(Fault, tag="read_lag"):
    """For `seconds` orders, own trades and balances are shown as they were `ms` ago.

    An order placed since is not known to exist: -2013. Placing and cancelling are not behind.
    """

    seconds: Seconds
    ms: Milliseconds

    def apply(self, targets: FaultTargets) -> Json:
        targets.requests.faults.lag_account(targets.ms_after(self.seconds), self.ms)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3), rng.randint(50, 3_000))


class UnknownStatus(Fault, tag="unknown_status"):
    """For `seconds` the newest order of every answer about orders is in a status of its own."""

    seconds: Seconds

    def apply(self, targets: FaultTargets) -> Json:
        targets.requests.faults.hide_statuses(targets.ms_after(self.seconds))
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 5))


class ClockSkew(Fault, tag="clock_skew"):
    """The servers' clock goes wrong by `ms`, for `seconds` or until faults are ended.

    /time shows it and requests must be in time by it; trades and events keep their times.
    """

    ms: Skew
    seconds: Seconds | None = None

    def apply(self, targets: FaultTargets) -> Json:
        until_ms = NEVER_MS if self.seconds is None else targets.ms_after(self.seconds)
        targets.requests.faults.skew_clock(until_ms, self.ms)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.choice((-1, 1)) * rng.randint(1_500, 60_000), random_seconds(rng, 0.5, 3))


class OrderLimit(Fault, tag="order_limit"):
    """For `seconds` placements are refused with -1015, status 429 and Retry-After."""

    seconds: Seconds

    def apply(self, targets: FaultTargets) -> Json:
        targets.requests.faults.limit_orders(targets.ms_after(self.seconds))
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(random_seconds(rng, 0.5, 3))


class Suspension(Fault, tag="suspension"):
    """Trading of a symbol is suspended for `seconds`, or until faults are ended.

    Its status says so, orders are refused with -2010 "Market is closed.", nothing is traded, and
    but under HALT there are no klines of that time, neither on the streams nor in REST.
    """

    symbol: str
    seconds: Seconds | None = None
    status: Literal["BREAK", "HALT", "CANCEL_ONLY"] = "BREAK"

    def apply(self, targets: FaultTargets) -> Json:
        until_ms = NEVER_MS if self.seconds is None else targets.ms_after(self.seconds)
        for market in targets.markets(self.symbol):
            market.suspend(self.status, until_ms)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.choice(symbols), random_seconds(rng, 1, 6))


class Delisting(Fault, tag="delisting"):
    """A symbol is delisted until faults are ended: every request about it is -1121.

    Its open orders are cancelled and its streams are silent; what is held of it stays.
    """

    symbol: str

    def apply(self, targets: FaultTargets) -> Json:
        for symbol in targets.symbols(self.symbol):
            targets.exchange.delist(symbol)
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls(rng.choice(symbols))


class Transfer(Fault, tag="transfer"):
    """Money comes in from outside, or goes out where `amount` is below zero."""

    asset: str
    amount: Decimal

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or self.amount != round(self.amount, MAX_PLACES):
            raise ValueError(f"amount {self.amount} must have at most {MAX_PLACES} places")

    def apply(self, targets: FaultTargets) -> Json:
        if self.asset not in targets.exchange.initial_balances:
            known = ", ".join(targets.exchange.initial_balances)
            raise BadFault(f"asset {self.asset!r} is none of {known}")
        try:
            targets.exchange.transfer(self.asset, self.amount)
        except ApiError as error:
            raise BadFault(error.message) from None
        return {}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls("USDT", Decimal(rng.randint(1, 100)))


class Reset(Fault, tag="reset"):
    """As the testnet does once a month. Source: protocol H.

    All orders, own trades and balances are gone, ids start over, balances are granted anew, keys
    stay. In a random market its trades and klines are gone too. Every socket is cut.
    """

    def apply(self, targets: FaultTargets) -> Json:
        targets.exchange.reset(period_ledger(targets.exchange))
        return {"sockets": targets.stream_hub.abort_all() + targets.api_connections.abort_all()}

    @classmethod
    def draw(cls, rng: Random, symbols: Sequence[str]) -> Self:
        return cls()
