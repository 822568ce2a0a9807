"""Handlers that place, cancel and replace orders. Source: protocol D.7, D.8."""

from collections.abc import Callable
from decimal import Decimal

from sandbox.api.order_params import parse_client_order_id, parse_order_request
from sandbox.api.request import ApiRequest, ExecuteOrder
from sandbox.engine.filters import MAX_OPEN_ORDERS, MAX_TRIGGERED_ORDERS, check_filters
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import IMMEDIATE, ExecutionTiming, find_order
from sandbox.engine.order_payloads import cancel_response, placement_response
from sandbox.engine.orders import Order, OrderRequest
from sandbox.errors import ApiError, filter_failure
from sandbox.wire import Json, format_decimal

ZERO = Decimal(0)
CANCEL_RESTRICTIONS = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")


def _parse_order(request: ApiRequest) -> tuple[OrderRequest, Market]:
    order_request = parse_order_request(request.params)
    market = request.exchange.market(order_request.symbol)
    check_filters(order_request, market.rules, market.average_price(request.now_ms))
    return order_request, market


async def test_order(request: ApiRequest) -> object:
    """Check an order without placing it."""
    _parse_order(request)
    if not request.params.flag("computeCommissionRates"):
        return {}
    fee, none = format_decimal(request.exchange.config.fee), format_decimal(ZERO)
    return {
        "standardCommissionForOrder": {"maker": fee, "taker": fee},
        "specialCommissionForOrder": {"maker": none, "taker": none},
        "taxCommissionForOrder": {"maker": none, "taker": none},
        "discount": request.exchange.fee_discount(),
    }


async def place_order(request: ApiRequest) -> object:
    """Place an order, unless a fault takes it over."""
    order_request, market = _parse_order(request)

    def execute(timing: ExecutionTiming) -> Json:
        _check_open_orders(request, order_request)
        _count_placement(request)
        return _place(request, order_request, market, timing)

    return await _intercept_or_execute(request, "place", execute)


async def _intercept_or_execute(request: ApiRequest, action: str, execute: ExecuteOrder) -> object:
    """Execute a placement or cancel, or let a fault that waits for one take it over."""
    interceptor = request.context.pop_interceptor(action)
    if interceptor is None:
        return execute(IMMEDIATE)
    request.log_entry.fault = interceptor.name
    return await interceptor.intercept(request, execute)


def _count_placement(request: ApiRequest) -> None:
    """Count a placement against the limits; raises -1015."""
    request.context.faults.check_order_limit(request.now_ms)
    request.engine.order_count.count_placement(request.exchange.clock.now_ms())


def _check_open_orders(request: ApiRequest, order_request: OrderRequest) -> None:
    """Check MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS; raises -1013."""
    mine = request.engine.open_orders(order_request.symbol)
    if len(mine) >= MAX_OPEN_ORDERS:
        raise filter_failure("MAX_NUM_ORDERS")
    triggered = sum(order.request.has_trigger for order in mine)
    if order_request.has_trigger and triggered >= MAX_TRIGGERED_ORDERS:
        raise filter_failure("MAX_NUM_ALGO_ORDERS")


def _place(
    request: ApiRequest,
    order_request: OrderRequest,
    market: Market,
    timing: ExecutionTiming = IMMEDIATE,
) -> Json:
    now_ms = request.exchange.clock.now_ms()
    order = request.engine.accept_order(order_request, market, now_ms, timing)
    request.log_entry.order_id, request.is_placement = order.order_id, True
    return placement_response(order)


def find_named_order(
    request: ApiRequest, orders: list[Order], missing: ApiError, prefix: str = ""
) -> Order:
    """The order of orderId and/or origClientOrderId, which may have a prefix; raises `missing`."""
    by_id, by_name = (
        (f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name)
        for name in ("orderId", "origClientOrderId")
    )
    order_id, client_id = request.params.integer(by_id), request.params.optional(by_name)
    if order_id is None and client_id is None:
        message = f"Param '{by_name}' or '{by_id}' must be sent, but both were empty/null!"
        raise ApiError(-1102, message)
    order = find_order(orders, request.market().rules.symbol, order_id, client_id)
    if order is None:
        raise missing
    return order


async def cancel_order(request: ApiRequest) -> object:
    """Cancel an order, unless a fault takes the cancel over."""
    request.market()
    cancel_id = parse_client_order_id(request.params)
    return await _intercept_or_execute(
        request, "cancel", lambda _: _find_and_cancel(request, cancel_id)
    )


def _find_and_cancel(request: ApiRequest, cancel_id: str, prefix: str = "") -> Json:
    unknown = ApiError(-2011, "Unknown order sent.")
    order = find_named_order(request, request.engine.orders_at(), unknown, prefix)
    restriction = request.params.optional("cancelRestrictions")
    if restriction not in (None, *CANCEL_RESTRICTIONS):
        raise ApiError(-1145, "Invalid cancelRestrictions")
    if restriction and order.is_open and restriction != f"ONLY_{order.status}":
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    request.log_entry.order_id = order.order_id
    return _cancel(request, order, cancel_id)


def _cancel(request: ApiRequest, order: Order, cancel_id: str) -> Json:
    original_id, rules = order.client_order_id, request.market().rules
    request.engine.cancel_order(order, cancel_id, rules, request.exchange.clock.now_ms())
    return cancel_response(order, original_id)


async def cancel_open_orders(request: ApiRequest) -> object:
    orders = request.engine.open_orders(request.market().rules.symbol)
    if not orders:
        raise ApiError(-2011, "Unknown order sent.")
    return [_cancel(request, order, parse_client_order_id(request.params)) for order in orders]


async def replace_order(request: ApiRequest) -> object:
    """Cancel one order and place another; filters and order count are checked before."""
    params = request.params
    invalid = ApiError(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")
    mode = params.choice("cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"), invalid)
    order_request, market = _parse_order(request)
    cancel_id = parse_client_order_id(params, "cancelNewClientOrderId")
    only_cancel = _count_replacement(request)
    cancel = _outcome(lambda: _find_and_cancel(request, cancel_id, "cancel"))
    new: Json | ApiError | None = only_cancel
    if new is None and not (mode == "STOP_ON_FAILURE" and isinstance(cancel, ApiError)):
        new = _outcome(lambda: _place_replacement(request, order_request, market))
    return _replace_response(cancel, new)


def _count_replacement(request: ApiRequest) -> ApiError | None:
    """Count the placement; raises -1015, or returns it where the cancel alone will do."""
    try:
        _count_placement(request)
    except ApiError as error:
        if request.params.optional("orderRateLimitExceededMode") != "CANCEL_ONLY":
            raise
        return error
    return None


def _place_replacement(request: ApiRequest, order_request: OrderRequest, market: Market) -> Json:
    _check_open_orders(request, order_request)
    return _place(request, order_request, market)


def _outcome(execute: Callable[[], Json]) -> Json | ApiError:
    try:
        return execute()
    except ApiError as error:
        return error


def _replace_response(cancel: Json | ApiError, new: Json | ApiError | None) -> Json:
    """The answer to a cancel and a placement in one; raises -2022 or -2021 where one failed."""
    data = {
        "cancelResult": _result_name(cancel),
        "newOrderResult": _result_name(new),
        "cancelResponse": cancel.body() if isinstance(cancel, ApiError) else cancel,
        "newOrderResponse": new.body() if isinstance(new, ApiError) else new,
    }
    match data["cancelResult"], data["newOrderResult"]:
        case "SUCCESS", "SUCCESS":
            return data
        case "FAILURE", "FAILURE" | "NOT_ATTEMPTED":
            raise ApiError(-2022, "Order cancel-replace failed.", 400, data=data)
    raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=data)


def _result_name(outcome: Json | ApiError | None) -> str:
    if outcome is None:
        return "NOT_ATTEMPTED"
    return "FAILURE" if isinstance(outcome, ApiError) else "SUCCESS"
