"""What strategies and signals look like in JSON, for the schema at /schema."""

from rest_framework import serializers

from market.api import DecimalText, Json, TimeText
from orders.schema import SIDES, STATUSES, PositionSerializer
from strategies.models import SignalReason


class SignalSerializer(serializers.Serializer[Json]):
    key = serializers.CharField(help_text="Strategy, symbol, and what it answers to.")
    strategy = serializers.CharField()
    symbol = serializers.CharField()
    interval = serializers.CharField()
    reason = serializers.ChoiceField(SignalReason.choices)
    side = serializers.ChoiceField(SIDES)
    candle_open_time = TimeText(allow_null=True, help_text="Null where a stop or a halt sells.")
    candle_revision = serializers.IntegerField(
        allow_null=True, help_text="The candle as it was judged; it may have been revised since."
    )
    price = DecimalText(help_text="The candle's close, or the tick that hit the stop.")
    sma = DecimalText(allow_null=True)
    ema = DecimalText(allow_null=True)
    previous_sma = DecimalText(allow_null=True, help_text="One candle earlier.")
    previous_ema = DecimalText(allow_null=True, help_text="One candle earlier.")
    position = serializers.IntegerField(allow_null=True, help_text="The one that was stopped.")
    client_order_id = serializers.CharField(allow_null=True, help_text="Of the order it led to.")
    order_status = serializers.ChoiceField(STATUSES, allow_null=True)
    outcome = serializers.CharField(help_text="What became of it.")
    created_at = TimeText()


class StateSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    open_time = TimeText(allow_null=True, help_text="The last candle judged; null before any.")
    sma = DecimalText(allow_null=True)
    ema = DecimalText(allow_null=True)
    note = serializers.CharField(help_text="Why it acted, or did nothing, on that candle.")
    position = PositionSerializer(allow_null=True, help_text="The open one, if any.")


class StrategySerializer(serializers.Serializer[Json]):
    name = serializers.CharField()
    variant = serializers.CharField(help_text="Its name with the stop loss: A (15 %).")
    enabled = serializers.BooleanField()
    interval = serializers.CharField()
    sma_period = serializers.IntegerField(help_text="Candles.")
    ema_period = serializers.IntegerField(help_text="Candles.")
    stop_loss = DecimalText(help_text="Fraction of the entry price: 0.15 is 15 %.")
    symbols = serializers.ListField(
        child=serializers.CharField(), help_text="Trades these alone; empty means all followed."
    )
    states = StateSerializer(many=True, help_text="One for every symbol that it trades now.")


class StrategiesSerializer(serializers.Serializer[Json]):
    strategies = StrategySerializer(many=True, help_text="By name.")
