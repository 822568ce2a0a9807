"""Trading rules of a symbol: the quantities and amounts that the exchange takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from foundation.decimals import EXACT, ZERO, floor_to_step, plain

ORDER_QUANTITY = {"BTC": Decimal("0.001"), "ETH": Decimal("0.01")}
NOTIONALS_PER_ORDER = 10  # the size of any other order, in smallest notionals
# The exchange values a market order at a reference of its own, mostly the average price of five
# minutes. That may be so far from the last price, as a fraction of it.
MARGIN = Decimal("0.05")


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
    """Bounds of price x quantity in quote asset; neither need hold for market orders.

    The price is the exchange's reference, which we don't know exactly: see MARGIN.
    """

    name: str  # NOTIONAL, or MIN_NOTIONAL on older symbols
    min_notional: Decimal
    max_notional: Decimal
    min_for_market: bool
    max_for_market: bool

    @property
    def smallest(self) -> Decimal:
        """The notional, by the last price, from which on a market order is surely taken."""
        return EXACT.multiply(self.min_notional, 1 + MARGIN)

    @property
    def largest(self) -> Decimal | None:
        """The notional, by the last price, up to which one is surely taken; None: any."""
        if not self.max_for_market or not self.max_notional:
            return None
        return EXACT.multiply(self.max_notional, 1 - MARGIN)

    def violation(self, notional: Decimal) -> str | None:
        text = f"{self.name}: {plain(notional)} is"
        if self.min_for_market and notional < self.smallest:
            return f"{text} below minNotional {plain(self.min_notional)}{self._margin(notional)}"
        if self.largest is not None and notional > self.largest:
            return f"{text} above maxNotional {plain(self.max_notional)}{self._margin(notional)}"
        return None

    def _margin(self, notional: Decimal) -> str:
        """The reason, in words, to deny a notional that is within the bounds."""
        if notional < self.min_notional or notional > self.max_notional:
            return ""
        return f", or too near it: the exchange's price may differ by {plain(100 * MARGIN)} %"


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Rules for a market or stop order on one symbol. Source: Binance Spot, "Filters"."""

    lots: tuple[LotRule, ...]
    notionals: tuple[NotionalRule, ...]
    price_step: Decimal = ZERO  # in quote asset; 0 is switched off
    max_stops: int | None = None  # open orders with a trigger, None where there is no bound
    max_position: Decimal | None = None  # base asset on the account; None where there is no bound

    @classmethod
    def from_filters(cls, filters: Sequence[Mapping[str, Any]]) -> "SymbolRules":
        """Read the exchange's filters; unknown ones and those for other orders are ignored."""
        lots, notionals = [], []
        price_step, max_stops, max_position = ZERO, None, None
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
            elif name == "MAX_POSITION":
                max_position = _amount(wire, "maxPosition") or None
        return cls(tuple(lots), tuple(notionals), price_step, max_stops, max_position)

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
        """The quantity of the next market order that sells `quantity`; 0 where it is too little.

        What is more than one order may sell is sold by several, each about as large. With a
        `price` (quote asset) bounds of the notional count too, the smallest without a margin: it
        is worth an attempt.
        """
        amount = floor_to_step(self._part(quantity, price), self.quantity_step)
        if amount <= 0 or any(amount < lot.min_quantity for lot in self.lots):
            return ZERO
        if price is not None and self._too_small(EXACT.multiply(amount, price)):
            return ZERO
        return amount

    def is_dust(self, quantity: Decimal, price: Decimal) -> bool:
        """True for a rest of a sale that is too little for another, or perhaps is."""
        notional = EXACT.multiply(self.sellable(quantity, price), price)
        surely = all(not one.min_for_market or notional >= one.smallest for one in self.notionals)
        return not notional or not surely

    def _part(self, quantity: Decimal, price: Decimal | None) -> Decimal:
        """An equal part of `quantity`, as large as one order may be."""
        bounds = [lot.max_quantity for lot in self.lots if lot.max_quantity]
        if price:
            largest = [one.largest for one in self.notionals if one.largest is not None]
            bounds += [notional / price for notional in largest]
        if not bounds or quantity <= min(bounds):
            return quantity
        return quantity / math.ceil(quantity / min(bounds))

    def violation(self, quantity: Decimal, price: Decimal) -> str | None:
        """The first rule that a market order breaks, with its values; None where none."""
        if quantity <= 0:
            return f"quantity {plain(quantity)} is not above 0"
        notional = EXACT.multiply(quantity, price)
        broken = [lot.violation(quantity) for lot in self.lots]
        broken += [rule.violation(notional) for rule in self.notionals]
        return next((text for text in broken if text), None)

    def position_violation(self, position: Decimal) -> str | None:
        """The rule that so much base asset on the account breaks, open BUYs included, or None."""
        if self.max_position is None or position <= self.max_position:
            return None
        above = f"above maxPosition {plain(self.max_position)}"
        return f"MAX_POSITION: {plain(position)} on the account is {above}"

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
