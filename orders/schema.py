"""What orders, trades, positions and the halt look like in JSON, for the schema at /schema."""

from rest_framework import serializers

from market.api import DecimalText, Json, TimeText
from market.ticks import Side
from orders.models import HaltLevel, Order, Position
from orders.status import OrderStatus

SIDES = [side.value for side in Side]
STATUSES = [status.value for status in OrderStatus]


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
    price_seen = DecimalText(help_text="The price that led to it.")
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
    opened_at = TimeText()
    closed_at = TimeText(allow_null=True)


class HaltSerializer(serializers.Serializer[Json]):
    level = serializers.ChoiceField(HaltLevel.choices)
    reason = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="User name.")
    at = TimeText(allow_null=True, help_text="Null where there never was a halt.")
