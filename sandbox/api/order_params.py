"""Parameters of an order, each checked for itself. Source: protocol D.7."""

import re
import secrets
from decimal import Decimal

from sandbox.api.params import RequestParams
from sandbox.engine.orders import ORDER_TYPES, STP_MODES, OrderRequest
from sandbox.errors import ApiError, illegal_characters, order_rejected

ZERO = Decimal(0)
CLIENT_ORDER_ID = r"^[a-zA-Z0-9-_]{1,36}$"
RESPONSE_TYPES = ("ACK", "RESULT", "FULL")
REQUIRED = {
    "LIMIT": ("timeInForce", "quantity", "price"),
    "LIMIT_MAKER": ("quantity", "price"),
    "MARKET": (),
    "STOP_LOSS": ("quantity", "stopPrice"),
    "STOP_LOSS_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
    "TAKE_PROFIT": ("quantity", "stopPrice"),
    "TAKE_PROFIT_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
}
FORBIDDEN = {
    "LIMIT": ("quoteOrderQty", "stopPrice"),
    "LIMIT_MAKER": ("timeInForce", "quoteOrderQty", "stopPrice"),
    "MARKET": ("timeInForce", "price", "stopPrice"),
    "STOP_LOSS": ("timeInForce", "quoteOrderQty", "price"),
    "STOP_LOSS_LIMIT": ("quoteOrderQty",),
    "TAKE_PROFIT": ("timeInForce", "quoteOrderQty", "price"),
    "TAKE_PROFIT_LIMIT": ("quoteOrderQty",),
}
UNSUPPORTED = {"icebergQty": "Iceberg orders", "trailingDelta": "Trailing stop orders"}
MIN_STRATEGY_TYPE = 1_000_000


def parse_order_request(params: RequestParams) -> OrderRequest:
    """The order of these parameters. Raises ApiError for any missing, superfluous or malformed."""
    kind = params.choice("type", ORDER_TYPES, ApiError(-1116, "Invalid orderType."))
    for name, feature in UNSUPPORTED.items():
        if name in params:
            raise order_rejected(f"{feature} are not supported for this symbol.")
    for name in REQUIRED[kind]:
        params.text(name)
    for name in FORBIDDEN[kind]:
        if name in params:
            raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
    quantity, quote_quantity = _quantities(params)
    return OrderRequest(
        symbol=params.text("symbol"),
        side=params.choice("side", ("BUY", "SELL"), ApiError(-1117, "Invalid side.")),
        type=kind,
        client_order_id=parse_client_order_id(params),
        quantity=quantity,
        quote_quantity=quote_quantity,
        price=params.positive_decimal("price") or ZERO,
        stop_price=params.positive_decimal("stopPrice") or ZERO,
        time_in_force=_time_in_force(params),
        stp_mode=_stp_mode(params),
        response_type=_response_type(params, kind),
        strategy=_strategy(params),
    )


def _quantities(params: RequestParams) -> tuple[Decimal, Decimal]:
    quantity, quote = params.positive_decimal("quantity"), params.positive_decimal("quoteOrderQty")
    if quantity is None and quote is None:
        message = "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
        raise ApiError(-1102, message)
    if quantity is not None and quote is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return quantity or ZERO, quote or ZERO


def parse_client_order_id(params: RequestParams, name: str = "newClientOrderId") -> str:
    """The id that the client chose, or 22 random alphanumerics as the exchange would."""
    value = params.optional(name)
    if value is None:
        return secrets.token_hex(11)
    if not re.fullmatch(CLIENT_ORDER_ID.strip("^$"), value, re.ASCII):
        raise illegal_characters(name, CLIENT_ORDER_ID)
    return value


def _time_in_force(params: RequestParams) -> str:
    if "timeInForce" not in params:
        return "GTC"
    invalid = ApiError(-1115, "Invalid timeInForce.")
    return params.choice("timeInForce", ("GTC", "IOC", "FOK"), invalid)


def _stp_mode(params: RequestParams) -> str:
    message = "This symbol does not allow the specified self-trade prevention mode."
    if "selfTradePreventionMode" not in params:
        return "EXPIRE_MAKER"
    return params.choice("selfTradePreventionMode", STP_MODES, ApiError(-1013, message))


def _response_type(params: RequestParams, kind: str) -> str:
    if "newOrderRespType" not in params:
        return "FULL" if kind in ("MARKET", "LIMIT") else "ACK"
    invalid = ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return params.choice("newOrderRespType", RESPONSE_TYPES, invalid)


def _strategy(params: RequestParams) -> tuple[tuple[str, int], ...]:
    kind = params.integer("strategyType")
    if kind is not None and kind < MIN_STRATEGY_TYPE:
        raise ApiError(-1134, "`strategyType` was less than 1000000.")
    given = (("strategyId", params.integer("strategyId")), ("strategyType", kind))
    return tuple((name, value) for name, value in given if value is not None)
