"""exchangeInfo: symbols, their rules and filters. Source: protocol D.5, D.6."""

from decimal import Decimal

from sandbox.api.limits import rate_limits
from sandbox.api.request import ApiRequest
from sandbox.data.symbols import SymbolRules
from sandbox.engine.filters import (
    ASK_DOWN,
    ASK_UP,
    AVERAGE_MINUTES,
    BID_DOWN,
    BID_UP,
    MAX_OPEN_ORDERS,
    MAX_TRIGGERED_ORDERS,
)
from sandbox.engine.orders import ORDER_TYPES, STP_MODES
from sandbox.errors import ApiError, invalid_symbol
from sandbox.wire import Json, format_decimal

PRECISION = 8
STATUSES = ("TRADING", "HALT", "BREAK")


async def exchange_info(request: ApiRequest) -> object:
    one, several = request.params.optional("symbol"), request.params.symbols("symbols")
    status = request.params.optional("symbolStatus")
    if status is not None and status not in STATUSES:
        raise ApiError(-1122, "Invalid symbolStatus.")
    if sum(choice is not None for choice in (one, several, status)) > 1:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    names = [one] if one is not None else several
    markets = request.exchange.markets
    if names and not set(names) <= markets.keys():
        raise invalid_symbol()
    symbols = [
        _symbol_entry(market.rules, market.status)
        for market in (markets[name] for name in names or markets)
        if status in (None, market.status)
    ]
    return {
        "timezone": "UTC",
        "serverTime": request.server_time_ms,
        "rateLimits": rate_limits(over_websocket=request.log_entry.channel == "ws"),
        "exchangeFilters": [],
        "symbols": symbols,
    }


def _filters(rules: SymbolRules) -> list[Json]:
    """The `filters` of exchangeInfo, in the order live answers have them."""
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": format_decimal(rules.price_step),
            "maxPrice": format_decimal(rules.max_price),
            "tickSize": format_decimal(rules.price_step),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": format_decimal(rules.quantity_step),
            "maxQty": format_decimal(rules.max_quantity),
            "stepSize": format_decimal(rules.quantity_step),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": format_decimal(Decimal(0)),
            "maxQty": format_decimal(rules.market_max_quantity),
            "stepSize": format_decimal(Decimal(0)),
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
            "minNotional": format_decimal(rules.min_notional),
            "applyMinToMarket": True,
            "maxNotional": format_decimal(rules.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": AVERAGE_MINUTES,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_OPEN_ORDERS},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": MAX_TRIGGERED_ORDERS},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]


def _symbol_entry(rules: SymbolRules, status: str) -> Json:
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
        "filters": _filters(rules),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": list(STP_MODES),
    }
