"""Faults of the whole venue: its clock, its memory, its limits, its monthly reset."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Annotated, Self

from msgspec import Meta

from sandbox.api.params import MAX_PLACES
from sandbox.clock import NEVER_MS
from sandbox.engine.ledger import period_ledger
from sandbox.errors import ApiError
from sandbox.faults.fault import Fault, Milliseconds, Seconds, seconds
from sandbox.faults.targets import BadFault, Places
from sandbox.wire import Json

Skew = Annotated[int, Meta(ge=-86_400_000, le=86_400_000)]


class ReadLag(Fault, tag="read_lag"):
    """For `seconds` orders, own trades and balances are shown as they were `ms` ago.

    An order placed since is not known to exist: -2013. Placing and cancelling are not behind.
    """

    seconds: Seconds
    ms: Milliseconds

    def strike(self, at: Places) -> Json:
        at.requests.faults.lag_account(at.in_seconds(self.seconds), self.ms)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3), draw.randint(50, 3_000))


class ClockSkew(Fault, tag="clock_skew"):
    """The servers' clock goes wrong by `ms`, for `seconds` or until faults are ended.

    It is what /time tells and what requests must be in time by; trades and events keep theirs.
    """

    ms: Skew
    seconds: Seconds | None = None

    def strike(self, at: Places) -> Json:
        until_ms = NEVER_MS if self.seconds is None else at.in_seconds(self.seconds)
        at.requests.faults.skew_clock(until_ms, self.ms)
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(draw.choice((-1, 1)) * draw.randint(1_500, 60_000), seconds(draw, 0.5, 3))


class OrderLimit(Fault, tag="order_limit"):
    """For `seconds` placements are refused with -1015, status 429 and Retry-After."""

    seconds: Seconds

    def strike(self, at: Places) -> Json:
        at.requests.faults.limit_orders(at.in_seconds(self.seconds))
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls(seconds(draw, 0.5, 3))


class Transfer(Fault, tag="transfer"):
    """Money comes in from outside, or goes out where `amount` is below zero."""

    asset: str
    amount: Decimal

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or self.amount != round(self.amount, MAX_PLACES):
            raise ValueError(f"amount {self.amount} must have at most {MAX_PLACES} places")

    def strike(self, at: Places) -> Json:
        if self.asset not in at.exchange.initial_balances:
            known = ", ".join(at.exchange.initial_balances)
            raise BadFault(f"asset {self.asset!r} is none of {known}")
        try:
            at.exchange.transfer(self.asset, self.amount)
        except ApiError as error:
            raise BadFault(error.message) from None
        return {}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls("USDT", Decimal(draw.randint(1, 100)))


class Reset(Fault, tag="reset"):
    """As the testnet does once a month. Source: protocol H.

    All orders, own trades and balances are gone, ids start over, balances are granted anew, keys
    stay. In a random market its trades and klines are gone too. Every socket is cut.
    """

    def strike(self, at: Places) -> Json:
        at.exchange.reset(period_ledger(at.exchange))
        return {"sockets": at.hub.abort_all() + at.api.abort_all()}

    @classmethod
    def drawn(cls, draw: Random, symbols: Sequence[str]) -> Self:
        return cls()
