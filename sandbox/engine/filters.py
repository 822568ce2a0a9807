"""Filters that an order must pass. Source: protocol D.6."""

from decimal import Decimal

from sandbox.data.symbols import SymbolRules
from sandbox.engine.orders import OrderRequest
from sandbox.errors import filter_failure

BID_UP, BID_DOWN = Decimal("1.2"), Decimal("0.5")
ASK_UP, ASK_DOWN = Decimal("2"), Decimal("0.8")
AVERAGE_MINUTES = 5
MAX_OPEN_ORDERS, MAX_TRIGGERED_ORDERS = 200, 5


def check_filters(request: OrderRequest, rules: SymbolRules, average: Decimal | None) -> None:
    """Raise -1013 for the first filter that an order breaks; `average` is the market's price."""
    at_market = request.limit_price is None
    for price in (request.limit_price, request.stop_price or None):
        if price is not None:
            _check_price(rules, price)
    if request.quantity:
        _check_quantity(rules, request.quantity, at_market)
    if request.limit_price is not None and average is not None:
        _check_percent_price(request.side, request.limit_price, average)
    price = average if request.limit_price is None else request.limit_price
    if price is not None:
        notional = request.quote_quantity or price * request.quantity
        _check_notional(rules, notional, at_market)


def _check_price(rules: SymbolRules, price: Decimal) -> None:
    """PRICE_FILTER: within bounds and on the grid of price steps."""
    if not rules.price_step <= price <= rules.max_price or price % rules.price_step:
        raise filter_failure("PRICE_FILTER")


def _check_quantity(rules: SymbolRules, quantity: Decimal, at_market: bool) -> None:
    """LOT_SIZE, and for market orders MARKET_LOT_SIZE (whose minimum and step are off)."""
    if not rules.quantity_step <= quantity <= rules.max_quantity or quantity % rules.quantity_step:
        raise filter_failure("LOT_SIZE")
    if at_market and quantity > rules.market_max_quantity:
        raise filter_failure("MARKET_LOT_SIZE")


def _check_percent_price(side: str, price: Decimal, average: Decimal) -> None:
    """PERCENT_PRICE_BY_SIDE against the average price of the last minutes."""
    down, up = (BID_DOWN, BID_UP) if side == "BUY" else (ASK_DOWN, ASK_UP)
    if not average * down <= price <= average * up:
        raise filter_failure("PERCENT_PRICE_BY_SIDE")


def _check_notional(rules: SymbolRules, notional: Decimal, at_market: bool) -> None:
    """NOTIONAL: the lower bound holds for every order, the upper one not for market orders."""
    if notional < rules.min_notional or (not at_market and notional > rules.max_notional):
        raise filter_failure("NOTIONAL")
