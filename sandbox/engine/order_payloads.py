"""Orders and own trades as REST, WebSocket API and ledger show them. Source: protocol D.7, D.8."""

from sandbox.engine.orders import ZERO, Fill, Order
from sandbox.wire import Json, format_decimal


def _execution_fields(order: Order) -> Json:
    """Fields that every longer answer about an order has."""
    request = order.request
    return {
        "price": format_decimal(request.price),
        "origQty": format_decimal(order.quantity),
        "executedQty": format_decimal(order.executed),
        "origQuoteOrderQty": format_decimal(request.quote_quantity),
        "cummulativeQuoteQty": format_decimal(order.executed_quote),
        "status": order.status,
        "timeInForce": request.time_in_force,
        "type": request.type,
        "side": request.side,
        "selfTradePreventionMode": request.stp_mode,
    }


def _optional_fields(order: Order) -> Json:
    """Fields that only some orders have."""
    extras: Json = dict(order.request.strategy)
    if order.request.has_trigger:
        extras["stopPrice"] = format_decimal(order.request.stop_price)
    if order.expiry_reason:
        extras["expiryReason"] = order.expiry_reason
    if order.prevented:
        extras["preventedMatchId"] = order.prevented_match_id
        extras["preventedQuantity"] = format_decimal(order.prevented)
    return extras


def _id_fields(order: Order) -> Json:
    return {
        "symbol": order.request.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
    }


def placement_response(order: Order) -> Json:
    """The answer to a placement, as long as the client asked for."""
    answer = {**_id_fields(order), "transactTime": order.update_ms}
    if order.request.response_type == "ACK":
        return answer
    answer |= {
        **_execution_fields(order),
        "workingTime": order.working_ms,
        **_optional_fields(order),
    }
    if order.request.response_type == "FULL":
        answer["fills"] = [_fill_fields(fill) for fill in order.fills]
    return answer


def _fill_fields(fill: Fill) -> Json:
    return {
        "price": format_decimal(fill.price),
        "qty": format_decimal(fill.quantity),
        "commission": format_decimal(fill.commission),
        "commissionAsset": fill.commission_asset,
        "tradeId": fill.trade_id,
    }


def order_status(order: Order) -> Json:
    """The answer to a query."""
    return {
        **_id_fields(order),
        **_execution_fields(order),
        "stopPrice": format_decimal(order.request.stop_price),
        "icebergQty": format_decimal(ZERO),
        "time": order.time_ms,
        "updateTime": order.update_ms,
        "isWorking": order.is_working,
        "workingTime": order.working_ms,
        **_optional_fields(order),
    }


def cancel_response(order: Order, original_id: str) -> Json:
    answer = {**_id_fields(order), "origClientOrderId": original_id}
    return {
        **answer,
        "transactTime": order.update_ms,
        **_execution_fields(order),
        **_optional_fields(order),
    }


def own_trade(order: Order, fill: Fill) -> Json:
    """One item of myTrades."""
    return {
        "symbol": order.request.symbol,
        "id": fill.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": format_decimal(fill.price),
        "qty": format_decimal(fill.quantity),
        "quoteQty": format_decimal(fill.quote),
        "commission": format_decimal(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_ms,
        "isBuyer": order.request.is_buy,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }
