"""Placing, cancelling and replacing orders. Source: protocol D.7, D.8."""

from collections.abc import Callable
from decimal import Decimal

from sandbox.api.market_data import market_of
from sandbox.api.order_params import parse_client_order_id, parse_order_request
from sandbox.api.request import ApiRequest
from sandbox.engine.filters import (
    MAX_OPEN_ORDERS,
    MAX_TRIGGERED_ORDERS,
    check_notional,
    check_percent_price,
    check_price,
    check_quantity,
)
from sandbox.engine.market import Market
from sandbox.engine.matching_engine import ExecutionTiming, find_order
from sandbox.engine.order_payloads import cancel_response, placement_response
from sandbox.engine.orders import Order, OrderRequest
from sandbox.errors import ApiError, filter_failure
from sandbox.wire import Json, format_decimal

ZERO = Decimal(0)
RESTRICTIONS = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")


def check_filters(request: OrderRequest, market: Market, now_ms: int) -> None:
    """Raise -1013 for the first filter the order breaks."""
    rules, at_market = market.rules, request.limit_price is None
    reference = market.average_price(now_ms)
    for price in (request.limit_price, request.stop_price or None):
        if price is not None:
            check_price(rules, price)
    if request.quantity:
        check_quantity(rules, request.quantity, at_market)
    if request.limit_price is not None and reference is not None:
        check_percent_price(request.side, request.limit_price, reference)
    price = reference if request.limit_price is None else request.limit_price
    if price is not None:
        notional = request.quote_quantity or price * request.quantity
        check_notional(rules, notional, at_market)


def _parse_order(call: ApiRequest) -> tuple[OrderRequest, Market]:
    request = parse_order_request(call.params)
    market = call.exchange.market(request.symbol)
    check_filters(request, market, call.now_ms)
    return request, market


async def test_order(call: ApiRequest) -> object:
    _parse_order(call)
    if not call.params.flag("computeCommissionRates"):
        return {}
    fee, none = (
        format_decimal(call.exchange.config.fee),
        {"maker": format_decimal(ZERO), "taker": format_decimal(ZERO)},
    )
    return {
        "standardCommissionForOrder": {"maker": fee, "taker": fee},
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": call.exchange.fee_discount(),
    }


async def place_order(call: ApiRequest) -> object:
    """Place an order, as the fault that waits for the next one lets it."""
    request, market = _parse_order(call)
    return await _intercept_or_execute(
        call, "place", lambda course: placement_response(_place(call, request, market, course))
    )


async def _intercept_or_execute(
    call: ApiRequest, action: str, act: Callable[[ExecutionTiming], Json]
) -> object:
    """Do it, unless a fault waits for such an action: then that does it, or not."""
    interceptor = call.context.next_interceptor(action)
    if interceptor is None:
        return act(ExecutionTiming())
    call.log_entry.fault = interceptor.name
    return await interceptor.intercept(call, act)


def _count_placement(call: ApiRequest) -> None:
    """Count a placement against the limits; raises -1015."""
    call.context.faults.check_order_limit(call.now_ms)
    call.exchange.engine.lifecycle.order_count.count_placement(call.exchange.clock.now_ms())


def _check_open_orders(call: ApiRequest, request: OrderRequest) -> None:
    """MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS; raises -1013."""
    mine = call.exchange.engine.open_orders(request.symbol)
    if len(mine) >= MAX_OPEN_ORDERS:
        raise filter_failure("MAX_NUM_ORDERS")
    triggered = sum(order.request.has_trigger for order in mine)
    if request.has_trigger and triggered >= MAX_TRIGGERED_ORDERS:
        raise filter_failure("MAX_NUM_ALGO_ORDERS")


def _place(
    call: ApiRequest, request: OrderRequest, market: Market, course: ExecutionTiming
) -> Order:
    _check_open_orders(call, request)
    _count_placement(call)
    order = call.exchange.engine.accept_order(request, market, call.exchange.clock.now_ms(), course)
    call.log_entry.order_id, call.is_placement = order.order_id, True
    return order


def find_named_order(
    call: ApiRequest, orders: list[Order], missing: ApiError, prefix: str = ""
) -> Order:
    """The order that orderId and/or origClientOrderId name, after a prefix where there is one."""
    by_id, by_name = (
        (f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name)
        for name in ("orderId", "origClientOrderId")
    )
    order_id, client_id = call.params.integer(by_id), call.params.optional(by_name)
    if order_id is None and client_id is None:
        message = f"Param '{by_name}' or '{by_id}' must be sent, but both were empty/null!"
        raise ApiError(-1102, message)
    order = find_order(orders, market_of(call).rules.symbol, order_id, client_id)
    if order is None:
        raise missing
    return order


async def cancel_order(call: ApiRequest) -> object:
    """Cancel an order, as the fault that waits for the next cancel lets it."""
    market_of(call)
    cancel_id = parse_client_order_id(call.params)
    return await _intercept_or_execute(call, "cancel", lambda _: _find_and_cancel(call, cancel_id))


def _find_and_cancel(call: ApiRequest, cancel_id: str, prefix: str = "") -> Json:
    unknown = ApiError(-2011, "Unknown order sent.")
    order = find_named_order(call, call.exchange.engine.orders_at(), unknown, prefix)
    restriction = call.params.optional("cancelRestrictions")
    if restriction not in (None, *RESTRICTIONS):
        raise ApiError(-1145, "Invalid cancelRestrictions")
    if restriction and order.is_open and restriction != f"ONLY_{order.status}":
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    call.log_entry.order_id = order.order_id
    return _cancel(call, order, cancel_id)


def _cancel(call: ApiRequest, order: Order, cancel_id: str) -> Json:
    original_id, rules = order.client_order_id, market_of(call).rules
    call.exchange.engine.cancel_order(order, cancel_id, rules, call.exchange.clock.now_ms())
    return cancel_response(order, original_id)


async def cancel_open_orders(call: ApiRequest) -> object:
    orders = call.exchange.engine.open_orders(market_of(call).rules.symbol)
    if not orders:
        raise ApiError(-2011, "Unknown order sent.")
    return [_cancel(call, order, parse_client_order_id(call.params)) for order in orders]


async def replace_order(call: ApiRequest) -> object:
    """Cancel one order and place another; filters and order count are looked at before."""
    params = call.params
    invalid = ApiError(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")
    mode = params.choice("cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"), invalid)
    request, market = _parse_order(call)
    cancel_id = parse_client_order_id(params, "cancelNewClientOrderId")
    only_cancel = _count_replacement(call)
    cancel = _outcome(lambda: _find_and_cancel(call, cancel_id, "cancel"))
    new: Json | ApiError | None = only_cancel
    if new is None and not (mode == "STOP_ON_FAILURE" and isinstance(cancel, ApiError)):
        new = _outcome(lambda: placement_response(_place_replacement(call, request, market)))
    return _replace_response(cancel, new)


def _count_replacement(call: ApiRequest) -> ApiError | None:
    """Count the placement. Beyond the limit raise -1015, or hand it back where a cancel will do."""
    try:
        _count_placement(call)
    except ApiError as error:
        if call.params.optional("orderRateLimitExceededMode") != "CANCEL_ONLY":
            raise
        return error
    return None


def _place_replacement(call: ApiRequest, request: OrderRequest, market: Market) -> Order:
    _check_open_orders(call, request)
    order = call.exchange.engine.accept_order(request, market, call.exchange.clock.now_ms())
    call.log_entry.order_id, call.is_placement = order.order_id, True
    return order


def _outcome(act: Callable[[], Json]) -> Json | ApiError:
    try:
        return act()
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
