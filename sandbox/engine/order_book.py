"""A seeded order book around the last price, for our own orders to fill against.

The public trades do not come from it and our fills do not enter them. It is drawn anew after every
trade and every second, once it is asked for; until then what was taken stays taken.
"""

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from sandbox.data.symbols import SymbolRules
from sandbox.data.tape import Trade

LEVELS = 24
BEST_LEVEL_USDT = 40.0  # value of the best level
LEVEL_GROWTH = 1.42  # each level holds so many times the one before


class Level(NamedTuple):
    """A price and the quantity that stands at it."""

    price: Decimal
    quantity: Decimal


@dataclass(slots=True)
class OrderBook:
    """Bids and asks, best first. `update_id` rises with every change."""

    rules: SymbolRules
    seed: int
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)
    update_id: int = 1
    drawn_for: tuple[int, int] = (0, 0)

    def refresh(self, last: Trade | None, now_ms: int) -> None:
        """Redraw where the last trade or the second is another."""
        if last is None or self.drawn_for == (last.trade_id, now_ms // 1000):
            return
        self.drawn_for = (last.trade_id, now_ms // 1000)
        rng = random.Random(f"{self.seed}:book:{self.rules.symbol}:{self.drawn_for}")
        spread = max(1, int(last.price / self.rules.price_step / 20_000))
        gap = self.rules.price_step * spread
        bid, ask = (
            (last.price, last.price + gap) if last.buyer_maker else (last.price - gap, last.price)
        )
        self.bids = self._draw_side(rng, bid, -self.rules.price_step, spread)
        self.asks = self._draw_side(rng, ask, self.rules.price_step, spread)
        self.update_id += 1

    def _draw_side(
        self, rng: random.Random, best: Decimal, step: Decimal, spread: int
    ) -> list[Level]:
        levels, price, value = [], best, BEST_LEVEL_USDT
        unit = float(self.rules.min_notional) / 5  # of quote asset: a dollar's worth
        for _ in range(LEVELS):
            if price <= 0:
                break
            lots = value * rng.uniform(0.4, 1.6) * unit / float(price * self.rules.quantity_step)
            levels.append(Level(price, self.rules.quantity_step * max(1, int(lots))))
            price += step * rng.randint(1, 1 + 2 * spread)
            value *= LEVEL_GROWTH
        return levels

    def opposite_side(self, side: str) -> list[Level]:
        """The levels an order of `side` would take, best first."""
        return self.asks if side == "BUY" else self.bids

    def remove_quantities(self, side: str, fills: list[Level]) -> None:
        """Remove what `fills` took; they must follow `opposite_side(side)` from the best on."""
        levels = self.opposite_side(side)
        for fill in fills:
            left = levels[0].quantity - fill.quantity
            if left:
                levels[0] = Level(fill.price, left)
            else:
                del levels[0]
        self.update_id += bool(fills)


def is_beyond_limit(side: str, price: Decimal, limit: Decimal) -> bool:
    """True where an order of `side` with this limit does not trade at a price."""
    return price > limit if side == "BUY" else price < limit
