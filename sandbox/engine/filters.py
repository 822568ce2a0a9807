"""A symbol's trading rules, as listed and as enforced. Source: protocol D.6."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.errors import filter_failure
from sandbox.wire import text

MAX_QUANTITY_STEPS = 900_000_000
BID_UP, BID_DOWN = Decimal("1.2"), Decimal("0.5")
ASK_UP, ASK_DOWN = Decimal("2"), Decimal("0.8")
AVERAGE_MINUTES = 5
MAX_OPEN_ORDERS, MAX_TRIGGERED_ORDERS = 200, 5
PRECISION = 8
ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Steps and bounds of a symbol: prices in quote asset, quantities in base asset."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)

    @property
    def max_price(self) -> Decimal:
        return self.tick * 100_000_000

    @property
    def max_quantity(self) -> Decimal:
        return self.step * MAX_QUANTITY_STEPS


def check_price(rules: SymbolRules, price: Decimal) -> None:
    """PRICE_FILTER: within bounds and on the tick grid."""
    if not rules.tick <= price <= rules.max_price or price % rules.tick:
        raise filter_failure("PRICE_FILTER")


def check_quantity(rules: SymbolRules, quantity: Decimal, market: bool) -> None:
    """LOT_SIZE, and for market orders MARKET_LOT_SIZE (whose minimum and step are off)."""
    if not rules.step <= quantity <= rules.max_quantity or quantity % rules.step:
        raise filter_failure("LOT_SIZE")
    if market and quantity > rules.market_max_quantity:
        raise filter_failure("MARKET_LOT_SIZE")


def check_percent_price(side: str, price: Decimal, reference: Decimal) -> None:
    """PERCENT_PRICE_BY_SIDE against the average price of the last minutes."""
    down, up = (BID_DOWN, BID_UP) if side == "BUY" else (ASK_DOWN, ASK_UP)
    if not reference * down <= price <= reference * up:
        raise filter_failure("PERCENT_PRICE_BY_SIDE")


def check_notional(rules: SymbolRules, notional: Decimal, market: bool) -> None:
    """NOTIONAL: the lower bound holds for every order, the upper one not for market orders."""
    if notional < rules.min_notional or (not market and notional > rules.max_notional):
        raise filter_failure("NOTIONAL")


def wire_filters(rules: SymbolRules) -> list[dict[str, Any]]:
    """The `filters` of exchangeInfo, in the order live answers have them."""
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text(rules.tick),
            "maxPrice": text(rules.max_price),
            "tickSize": text(rules.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text(rules.step),
            "maxQty": text(rules.max_quantity),
            "stepSize": text(rules.step),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": text(Decimal(0)),
            "maxQty": text(rules.market_max_quantity),
            "stepSize": text(Decimal(0)),
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(BID_UP),
            "bidMultiplierDown": str(BID_DOWN),
            "askMultiplierUp": str(ASK_UP),
            "askMultiplierDown": str(ASK_DOWN),
            "avgPriceMins": AVERAGE_MINUTES,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": text(rules.min_notional),
            "applyMinToMarket": True,
            "maxNotional": text(rules.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": AVERAGE_MINUTES,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_OPEN_ORDERS},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": MAX_TRIGGERED_ORDERS},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]


def wire_symbol(rules: SymbolRules, status: str) -> dict[str, Any]:
    """One entry of exchangeInfo's `symbols`. Source: protocol D.5."""
    return {
        "symbol": rules.symbol,
        "status": status,
        "baseAsset": rules.base,
        "baseAssetPrecision": PRECISION,
        "quoteAsset": rules.quote,
        "quotePrecision": PRECISION,
        "quoteAssetPrecision": PRECISION,
        "baseCommissionPrecision": PRECISION,
        "quoteCommissionPrecision": PRECISION,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": wire_filters(rules),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": list(STP_MODES),
    }
