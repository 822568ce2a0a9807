"""Request weights and order limits of the exchange. Source: Binance Spot REST, "Limits"."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

WEIGHT_LIMIT = 6_000  # a minute, until the exchange gives another one
ORDER_LIMITS = {10: 50, 86_400: 160_000}  # orders by seconds, until the exchange gives others

# Source: Binance Spot REST, the weight of each endpoint.
WEIGHTS = {
    "/api/v3/time": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/aggTrades": 4,
    "/api/v3/klines": 2,
    "/api/v3/order": 4,  # to look one up; to place one weighs nothing
    "/api/v3/openOrders": 6,  # with a symbol
    "/api/v3/allOrders": 20,
    "/api/v3/myTrades": 20,
    "/api/v3/account": 20,
}
WEIGHTS_WITH_ORDER_ID = {"/api/v3/myTrades": 5}
NO_PARAMETERS: Mapping[str, Any] = MappingProxyType({})


def request_weight(path: str, parameters: Mapping[str, Any] = NO_PARAMETERS) -> int:
    """Weight of a reading request. Raises KeyError for an endpoint that has none here."""
    if "orderId" in parameters and path in WEIGHTS_WITH_ORDER_ID:
        return WEIGHTS_WITH_ORDER_ID[path]
    return WEIGHTS[path]
