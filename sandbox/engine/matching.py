"""What an order meets on its way through the book. Decides only; the engine carries it out."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from sandbox.engine.order_book import Level, worse
from sandbox.engine.orders import Order

TAKER_ENDS = ("EXPIRE_TAKER", "EXPIRE_BOTH")
MAKER_ENDS = ("EXPIRE_MAKER", "EXPIRE_BOTH")
SHARED = ("DECREMENT", "TRANSFER")  # both orders lose what would have traded


class Met(NamedTuple):
    """One of our own resting orders in the way; `quantity` would have traded."""

    order: Order
    quantity: Decimal


Step = Level | Met


def way(
    order: Order, levels: Iterable[Level], own: Iterable[Order], lot: Decimal
) -> Iterator[Step]:
    """Level by level, best first, until the order is done or its limit is reached.

    At one price the book's own orders stand before ours. Source: protocol D.11.
    """
    request = order.request
    left, worth, by_worth = order.left, request.quote_quantity, bool(request.quote_quantity)
    for price, available, maker in _merged(request.side, levels, own):
        wanted = worth / price // lot * lot if by_worth else left
        beyond = request.limit is not None and worse(request.side, price, request.limit)
        if not wanted or beyond:
            return
        taken = min(available, wanted)
        yield Level(price, taken) if maker is None else Met(maker, taken)
        if maker and request.stp_mode in TAKER_ENDS:
            return
        if maker and request.stp_mode in MAKER_ENDS:
            continue
        left -= taken
        worth -= taken * price
        if taken < available:
            return


def _merged(
    side: str, levels: Iterable[Level], own: Iterable[Order]
) -> Iterator[tuple[Decimal, Decimal, Order | None]]:
    places: list[tuple[Decimal, Decimal, Order | None]] = [(*level, None) for level in levels]
    places += [(order.request.price, order.left, order) for order in own]
    sign = 1 if side == "BUY" else -1
    yield from sorted(places, key=lambda p: (sign * p[0], p[2].order_id if p[2] else 0))


def quantity(steps: Iterable[Step]) -> Decimal:
    """How much of them trades."""
    return sum((s.quantity for s in steps if isinstance(s, Level)), Decimal(0))


def cost(steps: Iterable[Step]) -> Decimal:
    """What that costs, in quote asset."""
    return sum((s.price * s.quantity for s in steps if isinstance(s, Level)), Decimal(0))


def parted(steps: list[Step], least: int, lot: Decimal) -> list[Step]:
    """The same, in `least` steps or more as far as the lot size allows."""
    if len(steps) >= least:
        return steps
    found: list[Step] = []
    for step in steps:
        part = step.quantity / least // lot * lot
        if isinstance(step, Met) or not part:
            found.append(step)
            continue
        found += [Level(step.price, part)] * (least - 1)
        found.append(Level(step.price, step.quantity - part * (least - 1)))
    return found
