"""JSON representations of orders, trades, positions and the halt, with their schema."""

from decimal import Decimal

from rest_framework import serializers

from foundation.decimals import plain
from foundation.rest.fields import (
    DecimalText,
    Json,
    TimeText,
    iso,
    iso_ms,
    iso_or_null,
    plain_or_null,
)
from market.ticks import Side
from orders.core.exits import ExitReason
from orders.core.performance import unrealised
from orders.core.status import OrderStatus
from orders.core.timeline import Step
from orders.models import (
    Adjustment,
    AdjustmentKind,
    Halt,
    HaltLevel,
    Order,
    Position,
    Trade,
)

SIDES = [side.value for side in Side]
STATUSES = [status.value for status in OrderStatus]
EXITS = ["", *(reason.value for reason in ExitReason)]


class OrderChangeSerializer(serializers.Serializer[Json]):
    status = serializers.ChoiceField(STATUSES)
    detail = serializers.CharField()
    at = TimeText()


class TimelineSerializer(serializers.Serializer[Json]):
    traded = TimeText(allow_null=True, help_text="The tick that led to it; the exchange's clock.")
    received = TimeText(allow_null=True, help_text="That tick, by us.")
    closed = TimeText(allow_null=True, help_text="The candle, in our database.")
    evaluated = TimeText(allow_null=True)
    committed = TimeText(allow_null=True, help_text="The order, claimed for sending.")
    sent = TimeText(allow_null=True)
    acknowledged = TimeText(allow_null=True, help_text="The exchange's answer was here.")
    filled = TimeText(allow_null=True, help_text="The last trade; the exchange's clock.")


class OrderSerializer(serializers.Serializer[Json]):
    client_order_id = serializers.CharField(help_text="Its key, ours and the exchange's.")
    strategy = serializers.CharField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(SIDES)
    kind = serializers.ChoiceField(Order.Kind.choices)
    quantity = DecimalText(help_text="Base asset, as asked for.")
    stop_price = DecimalText(allow_null=True, help_text="Sells at or below it, of a STOP_LOSS.")
    reference_price = DecimalText(help_text="The price that led to it.")
    price_seen = DecimalText(help_text="Deprecated: `reference_price`.")
    stop_loss = DecimalText(allow_null=True, help_text="Fraction below the entry, of a BUY.")
    status = serializers.ChoiceField(STATUSES)
    reason = serializers.CharField(help_text="Why it was denied, rejected or expired.")
    exchange_order_id = serializers.IntegerField(allow_null=True)
    executed_quantity = DecimalText(help_text="Base asset, filled so far.")
    executed_quote = DecimalText(help_text="Quote asset, for what was filled.")
    created_at = TimeText()
    expires_at = TimeText(help_text="Not sent after this time.")
    submitted_at = TimeText(allow_null=True)
    ended_at = TimeText(allow_null=True)
    timeline = TimelineSerializer(help_text="Null where a step's time is not known.")
    changes = OrderChangeSerializer(many=True, help_text="Every state it was in, oldest first.")


class TradeSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    strategy = serializers.CharField()
    side = serializers.ChoiceField(SIDES)
    client_order_id = serializers.CharField()
    trade_id = serializers.IntegerField(help_text="The exchange's.")
    position = serializers.IntegerField(help_text="`id` of the position that it belongs to.")
    price = DecimalText()
    quantity = DecimalText(help_text="Base asset.")
    quote_quantity = DecimalText(help_text="Quote asset.")
    commission = DecimalText()
    commission_asset = serializers.CharField()
    time = TimeText()


class PositionSerializer(serializers.Serializer[Json]):
    id = serializers.IntegerField()
    strategy = serializers.CharField()
    symbol = serializers.CharField()
    status = serializers.ChoiceField(Position.Status.choices)
    quantity = DecimalText(help_text="Base asset.")
    cost = DecimalText(help_text="Quote asset, fees included.")
    entry_price = DecimalText(help_text="Average of the buys, without fees.")
    stop_price = DecimalText(allow_null=True, help_text="Sells at or below it.")
    last_price = DecimalText(allow_null=True, help_text="Null while none is known.")
    unrealised = DecimalText(allow_null=True, help_text="Quote asset; null without last price.")
    realised = DecimalText(help_text="Quote asset, after fees.")
    fees = DecimalText(help_text="Quote asset.")
    exit_reason = serializers.ChoiceField(
        EXITS, help_text="Set once it is to be sold; it is until nothing is left that can be."
    )
    exit_decided_at = TimeText(allow_null=True)
    opened_at = TimeText()
    closed_at = TimeText(allow_null=True)


class AdjustmentSerializer(serializers.Serializer[Json]):
    position = serializers.IntegerField(help_text="`id` of the position that it left.")
    strategy = serializers.CharField()
    symbol = serializers.CharField()
    kind = serializers.ChoiceField(AdjustmentKind.choices)
    quantity = DecimalText(help_text="Base asset that left the position without a trade of its.")
    cost = DecimalText(help_text="Quote asset, what that had cost: a loss of the position.")
    kept = DecimalText(help_text="Of it, what the account goes on holding outside of positions.")
    trade_id = serializers.IntegerField(allow_null=True, help_text="The trade that took it.")
    reason = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="Who wrote it off.")
    at = TimeText()


class HaltSerializer(serializers.Serializer[Json]):
    level = serializers.ChoiceField(HaltLevel.choices)
    reason = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="User name.")
    at = TimeText(allow_null=True, help_text="Null where there never was a halt.")


def order_json(order: Order) -> Json:
    """An order with every state it was in."""
    return {
        "client_order_id": order.client_order_id,
        "strategy": order.strategy,
        "symbol": order.symbol.name,
        "side": order.side,
        "kind": order.kind,
        "quantity": plain(order.quantity),
        "stop_price": plain_or_null(order.stop_price),
        "reference_price": plain(order.reference_price),
        "price_seen": plain(order.reference_price),
        "stop_loss": plain_or_null(order.stop_loss),
        "status": order.status,
        "reason": order.reason,
        "exchange_order_id": order.exchange_order_id,
        "executed_quantity": plain(order.executed_quantity),
        "executed_quote": plain(order.executed_quote),
        "created_at": iso(order.created_at),
        "expires_at": iso(order.expires_at),
        "submitted_at": iso_or_null(order.submitted_at),
        "ended_at": iso_or_null(order.ended_at),
        "timeline": {step.value: _step(order, step) for step in Step},
        "changes": [
            {"status": change.status, "detail": change.detail, "at": iso(change.at)}
            for change in order.changes.all()
        ],
    }


def _step(order: Order, step: Step) -> str | None:
    at_ms = order.timeline.get(step.value)
    return None if at_ms is None else iso_ms(at_ms)


def trade_json(trade: Trade) -> Json:
    """One fill of ours."""
    return {
        "symbol": trade.symbol.name,
        "strategy": trade.strategy,
        "side": trade.side,
        "client_order_id": trade.order.client_order_id,
        "trade_id": trade.trade_id,
        "position": trade.position_id,
        "price": plain(trade.price),
        "quantity": plain(trade.quantity),
        "quote_quantity": plain(trade.quote_quantity),
        "commission": plain(trade.commission),
        "commission_asset": trade.commission_asset,
        "time": iso(trade.time),
    }


def position_json(position: Position, last_price: Decimal | None) -> Json:
    """A position; without a price, or once closed, its unrealised P&L is null."""
    gain = None
    if last_price is not None and position.status == Position.Status.OPEN:
        gain = unrealised(position.quantity, position.cost, last_price)
    return {
        "id": position.pk,
        "strategy": position.strategy,
        "symbol": position.symbol.name,
        "status": position.status,
        "quantity": plain(position.quantity),
        "cost": plain(position.cost),
        "entry_price": plain(position.entry_price),
        "stop_price": plain_or_null(position.stop_price),
        "last_price": plain_or_null(last_price),
        "unrealised": plain_or_null(gain),
        "realised": plain(position.realised),
        "fees": plain(position.fees),
        "exit_reason": position.exit_reason,
        "exit_decided_at": iso_or_null(position.exit_decided_at),
        "opened_at": iso(position.opened_at),
        "closed_at": iso_or_null(position.closed_at),
    }


def adjustment_json(adjustment: Adjustment) -> Json:
    """Base asset that left a position, and why."""
    position, trade = adjustment.position, adjustment.trade
    return {
        "position": position.pk,
        "strategy": position.strategy,
        "symbol": position.symbol.name,
        "kind": adjustment.kind,
        "quantity": plain(adjustment.quantity),
        "cost": plain(adjustment.cost),
        "kept": plain(adjustment.kept),
        "trade_id": trade.trade_id if trade else None,
        "reason": adjustment.reason,
        "by": adjustment.by.get_username() if adjustment.by else None,
        "at": iso(adjustment.at),
    }


def halt_json(halt: Halt | None) -> Json:
    """The halt that governs; None stands for the state before the first one, which is off."""
    if halt is None:
        return {"level": HaltLevel.OFF.value, "reason": "", "by": None, "at": None}
    return {
        "level": halt.level,
        "reason": halt.reason,
        "by": halt.by.get_username() if halt.by else None,
        "at": iso(halt.at),
    }
