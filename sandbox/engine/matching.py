"""Matching of one order with the book. Decides only; the engine carries it out."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from sandbox.engine.order_book import Level, is_beyond_limit
from sandbox.engine.orders import Order

TAKER_EXPIRING_MODES = ("EXPIRE_TAKER", "EXPIRE_BOTH")
MAKER_EXPIRING_MODES = ("EXPIRE_MAKER", "EXPIRE_BOTH")
DECREMENTING_MODES = ("DECREMENT", "TRANSFER")  # both orders lose what would have traded


class SelfMatch(NamedTuple):
    """One of our own resting orders in the way; `quantity` would have traded."""

    order: Order
    quantity: Decimal


MatchStep = Level | SelfMatch


def match_steps(
    order: Order, levels: Iterable[Level], own: Iterable[Order], lot: Decimal
) -> Iterator[MatchStep]:
    """The steps of an order, best price first, until it is done or its limit is reached.

    At one price the book's own quantity stands before our orders. Source: protocol D.11.
    """
    request = order.request
    left, quote_left = order.remaining, request.quote_quantity
    by_quote = bool(quote_left)
    for price, available, maker in _by_priority(request.side, levels, own):
        wanted = quote_left / price // lot * lot if by_quote else left
        limit = request.limit_price
        if not wanted or (limit is not None and is_beyond_limit(request.side, price, limit)):
            return
        taken = min(available, wanted)
        yield Level(price, taken) if maker is None else SelfMatch(maker, taken)
        if maker and request.stp_mode in TAKER_EXPIRING_MODES:
            return
        if maker and request.stp_mode in MAKER_EXPIRING_MODES:
            continue
        left -= taken
        quote_left -= taken * price
        if taken < available:
            return


def _by_priority(
    side: str, levels: Iterable[Level], own: Iterable[Order]
) -> Iterator[tuple[Decimal, Decimal, Order | None]]:
    """Price and quantity of levels and own orders, in the order in which they are matched."""
    offers: list[tuple[Decimal, Decimal, Order | None]] = [(*level, None) for level in levels]
    offers += [(order.request.price, order.remaining, order) for order in own]
    sign = 1 if side == "BUY" else -1
    yield from sorted(offers, key=lambda o: (sign * o[0], o[2].order_id if o[2] else 0))


def traded_quantity(steps: Iterable[MatchStep]) -> Decimal:
    """The quantity that trades in these steps."""
    return sum((s.quantity for s in steps if isinstance(s, Level)), Decimal(0))


def quote_cost(steps: Iterable[MatchStep]) -> Decimal:
    """The cost of these steps, in quote asset."""
    return sum((s.price * s.quantity for s in steps if isinstance(s, Level)), Decimal(0))


def thin_steps(steps: Iterable[MatchStep], quantity: Decimal, lot: Decimal) -> list[MatchStep]:
    """The first of these steps, until they have traded so much."""
    left, kept = quantity // lot * lot, list[MatchStep]()
    for step in steps:
        if isinstance(step, Level) and left:
            kept.append(Level(step.price, min(step.quantity, left)))
            left -= kept[-1].quantity
    return kept


def split_steps(steps: list[MatchStep], min_steps: int, lot: Decimal) -> list[MatchStep]:
    """The same quantities in `min_steps` steps or more, as far as the lot size allows."""
    if len(steps) >= min_steps:
        return steps
    found: list[MatchStep] = []
    for step in steps:
        part = step.quantity / min_steps // lot * lot
        if isinstance(step, SelfMatch) or not part:
            found.append(step)
            continue
        found += [Level(step.price, part)] * (min_steps - 1)
        found.append(Level(step.price, step.quantity - part * (min_steps - 1)))
    return found
