"""Trading rules of a symbol: the quantities and amounts that the exchange takes."""

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
    min_quantity: Decimal
    max_quantity: Decimal
    step: Decimal

    def violation(self, quantity: Decimal) -> str | None:
        if quantity < self.min_quantity:
            return f"{self.name}: {plain(quantity)} is below minQty {plain(self.min_quantity)}"
        if self.max_quantity and quantity > self.max_quantity:
            return f"{self.name}: {plain(quantity)} is above maxQty {plain(self.max_quantity)}"
        if floor_to_step(quantity, self.step) != quantity:
            return f"{self.name}: {plain(quantity)} is no multiple of {plain(self.step)}"
        return None


@dataclass(frozen=True, slots=True)
class NotionalRule:
    """Bounds of price x quantity in quote asset; neither need hold for market orders."""

    name: str  # NOTIONAL, or MIN_NOTIONAL on older symbols
    min_notional: Decimal
    max_notional: Decimal
    min_for_market: bool
    max_for_market: bool

    def violation(self, notional: Decimal) -> str | None:
        if self.min_for_market and notional < self.min_notional:
            return f"{self.name}: {plain(notional)} is below minNotional {plain(self.min_notional)}"
        if self.max_for_market and self.max_notional and notional > self.max_notional:
            return f"{self.name}: {plain(notional)} is above maxNotional {plain(self.max_notional)}"
        return None


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Rules for a market or stop order on one symbol. Source: Binance Spot, "Filters"."""

    lots: tuple[LotRule, ...]
    notionals: tuple[NotionalRule, ...]
    price_step: Decimal = ZERO  # in quote asset; 0 is switched off
    max_stops: int | None = None  # open orders with a trigger, None where there is no bound

    @classmethod
    def from_filters(cls, filters: Sequence[Mapping[str, Any]]) -> "SymbolRules":
        """Read the exchange's filters; unknown ones and those for other orders are ignored."""
        lots, notionals = [], []
        price_step, max_stops = ZERO, None
        for wire in filters:
            name = wire.get("filterType")
            if name in ("LOT_SIZE", "MARKET_LOT_SIZE"):
                lots.append(_lot(name, wire))
            elif name in ("NOTIONAL", "MIN_NOTIONAL"):
                notionals.append(_notional(name, wire))
            elif name == "PRICE_FILTER":
                price_step = _amount(wire, "tickSize")
            elif name == "MAX_NUM_ALGO_ORDERS":
                max_stops = int(wire["maxNumAlgoOrders"])
        return cls(tuple(lots), tuple(notionals), price_step, max_stops)

    @property
    def quantity_step(self) -> Decimal:
        """The smallest step that suits every lot rule; 0 where none has one."""
        steps = [lot.step for lot in self.lots if lot.step]
        if not steps:
            return ZERO
        exponent = min(int(step.as_tuple().exponent) for step in steps)
        units = (int(step.scaleb(-exponent)) for step in steps)
        return Decimal(math.lcm(*units)).scaleb(exponent)

    @property
    def min_notional(self) -> Decimal:
        """The smallest notional that suits every rule, in quote asset."""
        return max((rule.min_notional for rule in self.notionals), default=ZERO)

    def sellable(self, quantity: Decimal, price: Decimal | None = None) -> Decimal:
        """The most of `quantity` that one market order sells; 0 where it is too little.

        With a `price` (quote asset) the smallest notional counts too.
        """
        bounds = [lot.max_quantity for lot in self.lots if lot.max_quantity]
        amount = floor_to_step(min([quantity, *bounds]), self.quantity_step)
        if amount <= 0 or any(amount < lot.min_quantity for lot in self.lots):
            return ZERO
        if price is not None and self._too_small(EXACT.multiply(amount, price)):
            return ZERO
        return amount

    def violation(self, quantity: Decimal, price: Decimal) -> str | None:
        """The first rule that a market order breaks, with its values; None where none."""
        if quantity <= 0:
            return f"quantity {plain(quantity)} is not above 0"
        notional = EXACT.multiply(quantity, price)
        broken = [lot.violation(quantity) for lot in self.lots]
        broken += [rule.violation(notional) for rule in self.notionals]
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
        smallest = max((lot.min_quantity for lot in self.lots), default=ZERO)
        if price <= 0:
            return smallest
        return self._smallest_worth(NOTIONALS_PER_ORDER * self.min_notional, price, smallest)

    def _smallest_worth(self, amount: Decimal, price: Decimal, smallest: Decimal) -> Decimal:
        step = self.quantity_step or Decimal("1E-8")  # the exchange takes no more than 8 decimals
        units = max(smallest, amount / price) // step
        while (quantity := EXACT.multiply(units, step)) < smallest or quantity * price < amount:
            units += 1
        return quantity

    def _too_small(self, notional: Decimal) -> bool:
        return any(rule.min_for_market and notional < rule.min_notional for rule in self.notionals)


def _lot(name: str, wire: Mapping[str, Any]) -> LotRule:
    smallest, largest, step = (_amount(wire, key) for key in ("minQty", "maxQty", "stepSize"))
    return LotRule(name, smallest, largest, step)


def _notional(name: str, wire: Mapping[str, Any]) -> NotionalRule:
    min_for_market = wire.get("applyMinToMarket", wire.get("applyToMarket", True))
    return NotionalRule(
        name,
        _amount(wire, "minNotional"),
        _amount(wire, "maxNotional"),
        bool(min_for_market),
        bool(wire.get("applyMaxToMarket", False)),
    )


def _amount(wire: Mapping[str, Any], key: str) -> Decimal:
    return Decimal(str(wire.get(key, 0)))
