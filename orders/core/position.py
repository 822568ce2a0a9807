"""Position accounting: a position's state after each fill.

Every fill moves quote cash and base asset. The law: over all fills of a position,
`realised - cost` equals the quote cash that moved, to the last digit (plus the cost of dust
that was taken over).
"""

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation

from foundation.decimals import EXACT, ZERO
from market.ticks import Side

_DIVISION = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
_COST_PLACES = Decimal("1E-16")  # as many as price x quantity has
_PRICE_PLACES = Decimal("1E-10")


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an order of ours.

    `price` is in quote asset per unit of base asset, `quantity` in base asset, `commission` in
    `commission_asset`; `trade_id` is the exchange's, unique per symbol.
    """

    trade_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_ms: int

    @property
    def quote_quantity(self) -> Decimal:
        return EXACT.multiply(self.price, self.quantity)


@dataclass(frozen=True, slots=True)
class PositionState:
    """State of a position in `base`, paid in `quote`.

    `cost` is what `quantity` cost in quote asset, fees included; `realised` is what sales
    brought beyond the cost of what they sold. `fees` are in quote asset, a fee in base asset
    valued at its fill's price. A fee in a third asset (BNB) moves neither quote nor base: it
    stays on its trade in its own asset and is not valued here, because no exchange rate that both
    sides of a reconciliation would agree on comes with the fill; `orders.core.performance`
    values it.
    """

    base: str
    quote: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    bought: Decimal = ZERO  # base asset, all buys of this position
    bought_quote: Decimal = ZERO  # what they cost without fees

    @property
    def entry_price(self) -> Decimal:
        """Average price of the buys without fees, to 10 decimals; 0 where none was."""
        if not self.bought:
            return ZERO
        average = _DIVISION.divide(self.bought_quote, self.bought)
        return average.quantize(_PRICE_PLACES, context=_DIVISION)

    def after(self, fill: Fill) -> "PositionState":
        """The position once `fill` is booked."""
        quote_fee = fill.commission if fill.commission_asset == self.quote else ZERO
        base_fee = fill.commission if fill.commission_asset == self.base else ZERO
        fees = EXACT.add(self.fees, EXACT.add(quote_fee, EXACT.multiply(base_fee, fill.price)))
        charged = replace(self, fees=fees)
        if fill.side is Side.BUY:
            return charged._bought(fill, quote_fee, base_fee)
        return charged._sold(fill, quote_fee, base_fee)

    def without(self, quantity: Decimal, *, as_fee: bool) -> "PositionState":
        """The position once so much base asset has left it without a trade.

        What that had cost is lost: no cash came for it, so `realised - cost` stays.
        """
        share = self._cost_of(quantity)
        return replace(
            self,
            quantity=EXACT.subtract(self.quantity, quantity),
            cost=EXACT.subtract(self.cost, share),
            realised=EXACT.subtract(self.realised, share),
            fees=EXACT.add(self.fees, share) if as_fee else self.fees,
        )

    def _bought(self, fill: Fill, quote_fee: Decimal, base_fee: Decimal) -> "PositionState":
        received = EXACT.subtract(fill.quantity, base_fee)
        return replace(
            self,
            quantity=EXACT.add(self.quantity, received),
            cost=EXACT.add(self.cost, EXACT.add(fill.quote_quantity, quote_fee)),
            bought=EXACT.add(self.bought, fill.quantity),
            bought_quote=EXACT.add(self.bought_quote, fill.quote_quantity),
        )

    def _sold(self, fill: Fill, quote_fee: Decimal, base_fee: Decimal) -> "PositionState":
        left = EXACT.add(fill.quantity, base_fee)
        share = self._cost_of(left)
        gain = EXACT.subtract(EXACT.subtract(fill.quote_quantity, quote_fee), share)
        return replace(
            self,
            quantity=EXACT.subtract(self.quantity, left),
            cost=EXACT.subtract(self.cost, share),
            realised=EXACT.add(self.realised, gain),
        )

    def _cost_of(self, quantity: Decimal) -> Decimal:
        """The part of the cost that leaves with `quantity`: rounded once, then used exactly."""
        if quantity >= self.quantity:
            return self.cost
        share = _DIVISION.divide(_DIVISION.multiply(self.cost, quantity), self.quantity)
        return share.quantize(_COST_PLACES, context=_DIVISION)


def stop_price(entry_price: Decimal, stop_loss: Decimal) -> Decimal:
    """The price at or below which a position sells: `stop_loss` is a fraction of the entry."""
    price = _DIVISION.multiply(entry_price, 1 - stop_loss)
    return price.quantize(_PRICE_PLACES, context=_DIVISION)
