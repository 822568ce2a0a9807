"""How REST and the WebSocket API show orders and own trades. Source: protocol D.7, D.8."""

from sandbox.engine.orders import ZERO, Fill, Order
from sandbox.wire import Json, format_decimal


def _state(order: Order) -> Json:
    """The fields that every longer answer about an order has."""
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


def _extras(order: Order) -> Json:
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


def _names(order: Order) -> Json:
    return {
        "symbol": order.request.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
    }


def placed(order: Order) -> Json:
    """The answer to a placement, as long as the client asked for."""
    answer = {**_names(order), "transactTime": order.update_ms}
    if order.request.response == "ACK":
        return answer
    answer |= {**_state(order), "workingTime": order.working_ms, **_extras(order)}
    if order.request.response == "FULL":
        answer["fills"] = [_fill(fill) for fill in order.fills]
    return answer


def _fill(fill: Fill) -> Json:
    return {
        "price": format_decimal(fill.price),
        "qty": format_decimal(fill.quantity),
        "commission": format_decimal(fill.commission),
        "commissionAsset": fill.commission_asset,
        "tradeId": fill.trade_id,
    }


def queried(order: Order) -> Json:
    return {
        **_names(order),
        **_state(order),
        "stopPrice": format_decimal(order.request.stop_price),
        "icebergQty": format_decimal(ZERO),
        "time": order.time_ms,
        "updateTime": order.update_ms,
        "isWorking": order.is_working,
        "workingTime": order.working_ms,
        **_extras(order),
    }


def cancelled(order: Order, original_id: str) -> Json:
    answer = {**_names(order), "origClientOrderId": original_id}
    return {**answer, "transactTime": order.update_ms, **_state(order), **_extras(order)}


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
        "isBuyer": order.request.buys,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }
