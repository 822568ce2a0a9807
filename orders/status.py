"""The life of an order."""

from enum import StrEnum


class OrderStatus(StrEnum):
    PENDING = "PENDING"  # written down, not sent
    SUBMITTED = "SUBMITTED"  # claimed for sending; an answer is due
    UNKNOWN = "UNKNOWN"  # sent, and no answer tells what became of it
    NEW = "NEW"  # the exchange has it
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"  # ended by the exchange, possibly with fills
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"  # ended by self-trade prevention
    REJECTED = "REJECTED"  # refused by the exchange
    DENIED = "DENIED"  # refused by our own risk checks
    EXPIRED_UNSENT = "EXPIRED_UNSENT"  # grown stale before it was sent, or never arrived


_ENDS = {
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
    OrderStatus.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED_UNSENT,
}
_AT_EXCHANGE = {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN}

# What may follow what. An answer may be late or lost, so a status may be skipped; none is
# ever gone back to, and nothing follows an end.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.SUBMITTED, OrderStatus.EXPIRED_UNSENT}),
    OrderStatus.SUBMITTED: frozenset(_ENDS | _AT_EXCHANGE | {OrderStatus.PENDING}),
    OrderStatus.UNKNOWN: frozenset(_ENDS | _AT_EXCHANGE - {OrderStatus.UNKNOWN}),
    OrderStatus.NEW: frozenset(_ENDS | {OrderStatus.PARTIALLY_FILLED}),
    OrderStatus.PARTIALLY_FILLED: frozenset(_ENDS),
    OrderStatus.DENIED: frozenset(),
    **{end: frozenset() for end in _ENDS},
}
ENDED = frozenset(_ENDS | {OrderStatus.DENIED})
UNANSWERED = frozenset({OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})


def may_follow(before: OrderStatus, after: OrderStatus) -> bool:
    return after in TRANSITIONS[before]
