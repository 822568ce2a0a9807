"""Orders and their fills, and how REST shows them. Source: protocol D.7, D.8."""

from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.wire import Json, text

ZERO = Decimal(0)
OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client asked for, syntax checked. Exactly one of the two quantities is above 0."""

    symbol: str
    side: str
    type: str
    client_order_id: str
    quantity: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    price: Decimal = ZERO
    time_in_force: str = "GTC"
    stp_mode: str = "EXPIRE_MAKER"
    response: str = "FULL"
    strategy: tuple[tuple[str, int], ...] = ()  # strategyId, strategyType: echoed where sent


@dataclass(frozen=True, slots=True)
class Fill:
    """One of our own trades. Its id is unique per symbol, apart from the public trades' ids."""

    trade_id: int
    time_ms: int
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    maker: bool

    @property
    def quote(self) -> Decimal:
        return self.price * self.quantity


@dataclass(slots=True)
class Order:
    """An order from its acceptance on. `client_order_id` changes when it is cancelled."""

    request: OrderRequest
    order_id: int
    time_ms: int
    client_order_id: str
    quantity: Decimal
    status: str = "NEW"
    update_ms: int = 0
    working_ms: int = 0
    expiry_reason: str = ""
    executed: Decimal = ZERO
    executed_quote: Decimal = ZERO
    fills: list[Fill] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def left(self) -> Decimal:
        return self.quantity - self.executed


def _state(order: Order) -> Json:
    """The fields that every longer answer about an order has."""
    request = order.request
    return {
        "price": text(request.price),
        "origQty": text(order.quantity),
        "executedQty": text(order.executed),
        "origQuoteOrderQty": text(request.quote_quantity),
        "cummulativeQuoteQty": text(order.executed_quote),
        "status": order.status,
        "timeInForce": request.time_in_force,
        "type": request.type,
        "side": request.side,
        "selfTradePreventionMode": request.stp_mode,
    }


def _extras(order: Order) -> Json:
    extras: Json = dict(order.request.strategy)
    if order.expiry_reason:
        extras["expiryReason"] = order.expiry_reason
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
        "price": text(fill.price),
        "qty": text(fill.quantity),
        "commission": text(fill.commission),
        "commissionAsset": fill.commission_asset,
        "tradeId": fill.trade_id,
    }


def queried(order: Order) -> Json:
    return {
        **_names(order),
        **_state(order),
        "stopPrice": text(ZERO),
        "icebergQty": text(ZERO),
        "time": order.time_ms,
        "updateTime": order.update_ms,
        "isWorking": True,
        "workingTime": order.working_ms,
        **_extras(order),
    }


def cancelled(order: Order, original_id: str) -> Json:
    answer = {**_names(order), "origClientOrderId": original_id}
    return {**answer, "transactTime": order.update_ms, **_state(order)}


def own_trade(order: Order, fill: Fill) -> Json:
    """One item of myTrades."""
    return {
        "symbol": order.request.symbol,
        "id": fill.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": text(fill.price),
        "qty": text(fill.quantity),
        "quoteQty": text(fill.quote),
        "commission": text(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_ms,
        "isBuyer": order.request.side == "BUY",
        "isMaker": fill.maker,
        "isBestMatch": True,
    }
