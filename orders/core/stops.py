"""Stop prices, and the ticks that hit them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market.ticks import Tick


@dataclass(frozen=True, slots=True)
class Stop:
    """Sell position `position_id` at or below `price` (quote asset).

    Ticks before `since_ms`, when the position was opened, are not its own.
    """

    position_id: int
    symbol: str
    price: Decimal
    since_ms: int


@dataclass(frozen=True, slots=True)
class Hit:
    """The first tick that hit a stop; `received_ms` is by our clock, where it is known."""

    stop: Stop
    price: Decimal
    time_ms: int
    tick_id: int
    received_ms: int | None = None


def hit(stops: Sequence[Stop], ticks: Iterable[Tick]) -> list[Hit]:
    """The stops that `ticks`, in order, have hit: each once, at its first tick.

    Who keeps a list of stops drops the ones that were hit; one whose sale fails comes back
    with the next `orders.services.open_stops`.
    """
    waiting: dict[str, list[Stop]] = {}
    for stop in stops:
        waiting.setdefault(stop.symbol, []).append(stop)
    if not waiting:
        return []
    # Most ticks hit nothing: one comparison with a symbol's highest stop settles them.
    highest = {symbol: max(stop.price for stop in own) for symbol, own in waiting.items()}
    hits: list[Hit] = []
    for tick in ticks:
        top = highest.get(tick.symbol)
        if top is None or tick.price > top:
            continue
        own = waiting[tick.symbol]
        fired = [s for s in own if tick.price <= s.price and tick.time_ms >= s.since_ms]
        hits += [Hit(stop, tick.price, tick.time_ms, tick.tick_id) for stop in fired]
        waiting[tick.symbol] = [stop for stop in own if stop not in fired]
    return hits
