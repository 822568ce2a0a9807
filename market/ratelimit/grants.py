"""Grants of a rate limiter: request weight and order slots, their priorities, and the refusal."""

from enum import IntEnum
from typing import NamedTuple

MINUTE_S = 60


class Priority(IntEnum):
    """Up to how many per cent of a minute's limit, all requests together, one may be sent."""

    URGENT = 90  # missed ticks, the clock: the last tenth is for what we don't know of
    BACKGROUND = 50  # history, audits, sweeps: they leave room for what is urgent


class OrderPriority(IntEnum):
    """Up to how many per cent of a span's limit, all orders together, one may be placed."""

    ENTRY = 80
    EXIT = 100  # nothing is kept from a sale


class RateLimited(Exception):
    """No request may be sent for another `wait_s` seconds."""

    def __init__(self, text: str, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Grant(NamedTuple):
    """Weight taken from a minute (since the epoch), of which `used` are taken by now."""

    minute: int
    used: int


class OrderSlot(NamedTuple):
    """An order's slot in the `number`th span since the epoch, the `used`th of `limit`."""

    span_s: int
    number: int
    used: int
    limit: int


def blocked(wait_s: float) -> RateLimited:
    return RateLimited(f"the exchange asked for silence, for another {wait_s:.0f} s", wait_s)


def weight_limited(wait_s: float) -> RateLimited:
    text = f"this minute's request weight is spent, {wait_s:.0f} s are left of it"
    return RateLimited(text, wait_s)


def order_limited(wait_s: float) -> RateLimited:
    text = f"as many orders as are allowed were placed; again in {wait_s:.0f} s"
    return RateLimited(text, wait_s)
