"""Order statuses, and which may follow which."""

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
    EXPIRED_UNSENT = (
        "EXPIRED_UNSENT"  # grown stale or needless before it was sent, or never arrived
    )


# What the exchange may report of an order; it may skip any of it, or report it late.
_GOING_ON = {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
_REPORTED_ENDS = {
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
    OrderStatus.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH,
    OrderStatus.REJECTED,
}
_REPORTED = _GOING_ON | _REPORTED_ENDS
_UNSENT = {OrderStatus.EXPIRED_UNSENT}

# What may follow what; none but PENDING is ever gone back to. Nothing follows an end, with one
# exception: that an order was never placed is our conclusion, and what the exchange says
# overrules it, as it does all that we only believe.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    # Put back as surely not carried out, it may have been after all: then it is not sent again.
    OrderStatus.PENDING: frozenset({OrderStatus.SUBMITTED} | _UNSENT | _REPORTED),
    OrderStatus.SUBMITTED: frozenset(
        _REPORTED | _UNSENT | {OrderStatus.UNKNOWN, OrderStatus.PENDING}  # PENDING: surely not done
    ),
    OrderStatus.UNKNOWN: frozenset(_REPORTED | _UNSENT),
    OrderStatus.NEW: frozenset(_REPORTED_ENDS | {OrderStatus.PARTIALLY_FILLED}),
    OrderStatus.PARTIALLY_FILLED: frozenset(_REPORTED_ENDS),
    OrderStatus.EXPIRED_UNSENT: frozenset(_REPORTED),
    OrderStatus.DENIED: frozenset(),
    **{end: frozenset() for end in _REPORTED_ENDS},
}
ENDED = frozenset(_REPORTED_ENDS | _UNSENT | {OrderStatus.DENIED})
NOT_SENT = frozenset({OrderStatus.PENDING, OrderStatus.EXPIRED_UNSENT})  # as far as we know
LIVE = tuple(status for status in OrderStatus if status not in ENDED)
AT_EXCHANGE = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
UNANSWERED = frozenset({OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})


def may_follow(before: OrderStatus, after: OrderStatus) -> bool:
    return after in TRANSITIONS[before]
