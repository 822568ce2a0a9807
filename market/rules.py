"""A symbol's trading rules: which quantities and amounts the exchange takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from foundation.decimals import EXACT, ZERO, floor_to_step, plain

ORDER_QUANTITY = {"BTC": Decimal("0.001"), "ETH": Decimal("0.01")}
NOTIONALS_PER_ORDER = 10  # the size of any other order, in smallest notionals


@dataclass(frozen=True, slots=True)
class LotRule:
    """Bounds of a quantity in base asset. A bound or step of 0 is switched off."""

    name: str  # LOT_SIZE for every order, MARKET_LOT_SIZE for market orders in addition
    least: Decimal
    most: Decimal
    step: Decimal

    def why_not(self, quantity: Decimal) -> str | None:
        if quantity < self.least:
            return f"{self.name}: {plain(quantity)} is below minQty {plain(self.least)}"
        if self.most and quantity > self.most:
            return f"{self.name}: {plain(quantity)} is above maxQty {plain(self.most)}"
        if floor_to_step(quantity, self.step) != quantity:
            return f"{self.name}: {plain(quantity)} is no multiple of {plain(self.step)}"
        return None


@dataclass(frozen=True, slots=True)
class NotionalRule:
    """Bounds of price x quantity in quote asset; each may leave market orders alone."""

    name: str  # NOTIONAL, or MIN_NOTIONAL on older symbols
    least: Decimal
    most: Decimal
    least_for_market: bool
    most_for_market: bool

    def why_not(self, notional: Decimal) -> str | None:
        if self.least_for_market and notional < self.least:
            return f"{self.name}: {plain(notional)} is below minNotional {plain(self.least)}"
        if self.most_for_market and self.most and notional > self.most:
            return f"{self.name}: {plain(notional)} is above maxNotional {plain(self.most)}"
        return None


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Rules for a market or stop order on one symbol. Source: Binance Spot, "Filters"."""

    lots: tuple[LotRule, ...]
    notionals: tuple[NotionalRule, ...]
    tick: Decimal = ZERO  # of prices, in quote asset; 0 is switched off
    max_stops: int | None = None  # open orders with a trigger, None where there is no bound

    @classmethod
    def from_filters(cls, filters: Sequence[Mapping[str, Any]]) -> "SymbolRules":
        """Read the exchange's filters; unknown ones and those for other orders are ignored."""
        lots, notionals = [], []
        tick, max_stops = ZERO, None
        for wire in filters:
            name = wire.get("filterType")
            if name in ("LOT_SIZE", "MARKET_LOT_SIZE"):
                lots.append(_lot(name, wire))
            elif name in ("NOTIONAL", "MIN_NOTIONAL"):
                notionals.append(_notional(name, wire))
            elif name == "PRICE_FILTER":
                tick = _amount(wire, "tickSize")
            elif name == "MAX_NUM_ALGO_ORDERS":
                max_stops = int(wire["maxNumAlgoOrders"])
        return cls(tuple(lots), tuple(notionals), tick, max_stops)

    @property
    def step(self) -> Decimal:
        """The smallest step that suits every lot rule; 0 where none has one."""
        steps = [lot.step for lot in self.lots if lot.step]
        if not steps:
            return ZERO
        exponent = min(int(step.as_tuple().exponent) for step in steps)
        units = (int(step.scaleb(-exponent)) for step in steps)
        return Decimal(math.lcm(*units)).scaleb(exponent)

    @property
    def min_notional(self) -> Decimal:
        return max((rule.least for rule in self.notionals), default=ZERO)

    def sellable(self, quantity: Decimal, price: Decimal | None = None) -> Decimal:
        """The most of `quantity` that one market order sells; 0 where it is too little.

        With a `price` (quote asset) the smallest notional counts too.
        """
        most = [lot.most for lot in self.lots if lot.most]
        amount = floor_to_step(min([quantity, *most]), self.step)
        if amount <= 0 or any(amount < lot.least for lot in self.lots):
            return ZERO
        if price is not None and self._too_small(EXACT.multiply(amount, price)):
            return ZERO
        return amount

    def why_not(self, quantity: Decimal, price: Decimal) -> str | None:
        """The first rule that a market order breaks, with its values; None where none."""
        if quantity <= 0:
            return f"quantity {plain(quantity)} is not above 0"
        notional = EXACT.multiply(quantity, price)
        broken = [lot.why_not(quantity) for lot in self.lots]
        broken += [rule.why_not(notional) for rule in self.notionals]
        return next((text for text in broken if text), None)

    def order_quantity(self, base_asset: str, override: Decimal | None, price: Decimal) -> Decimal:
        """The quantity of `base_asset` that an entry buys at `price` (quote asset).

        BTC and ETH have fixed sizes; of any other asset it is the smallest quantity worth at
        least ten times the smallest notional. `override` wins over both.
        """
        if override is not None:
            return override
        if base_asset in ORDER_QUANTITY:
            return ORDER_QUANTITY[base_asset]
        least = max((lot.least for lot in self.lots), default=ZERO)
        if price <= 0:
            return least
        return self._smallest_worth(NOTIONALS_PER_ORDER * self.min_notional, price, least)

    def _smallest_worth(self, amount: Decimal, price: Decimal, least: Decimal) -> Decimal:
        step = self.step or Decimal("1E-8")  # the exchange takes no more than 8 decimals
        units = max(least, amount / price) // step
        while (quantity := EXACT.multiply(units, step)) < least or quantity * price < amount:
            units += 1
        return quantity

    def _too_small(self, notional: Decimal) -> bool:
        return any(rule.least_for_market and notional < rule.least for rule in self.notionals)


def _lot(name: str, wire: Mapping[str, Any]) -> LotRule:
    least, most, step = (_amount(wire, key) for key in ("minQty", "maxQty", "stepSize"))
    return LotRule(name, least, most, step)


def _notional(name: str, wire: Mapping[str, Any]) -> NotionalRule:
    least_for_market = wire.get("applyMinToMarket", wire.get("applyToMarket", True))
    return NotionalRule(
        name,
        _amount(wire, "minNotional"),
        _amount(wire, "maxNotional"),
        bool(least_for_market),
        bool(wire.get("applyMaxToMarket", False)),
    )


def _amount(wire: Mapping[str, Any], key: str) -> Decimal:
    return Decimal(str(wire.get(key, 0)))
