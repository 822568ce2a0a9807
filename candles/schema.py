"""What candles and ticks look like in JSON, for the schema at /schema."""

from rest_framework import serializers

from candles.intervals import INTERVALS_MS
from candles.models import Verdict
from market.api import DecimalText, Json, TickSerializer, TimeText


class CandleSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    interval = serializers.ChoiceField(list(INTERVALS_MS))
    open_time = TimeText()
    close_time = TimeText(help_text="Its last millisecond.")
    open = DecimalText()
    high = DecimalText()
    low = DecimalText()
    close = DecimalText()
    volume = DecimalText(help_text="Base asset.")
    quote_volume = DecimalText(help_text="Quote asset.")
    taker_volume = DecimalText(help_text="Base asset, what takers bought.")
    taker_quote_volume = DecimalText(help_text="Quote asset, what takers bought.")
    trades = serializers.IntegerField()
    verdict = serializers.ChoiceField(
        Verdict.choices,
        allow_null=True,
        help_text="How it compares with the exchange's own; null while it forms.",
    )
    closed = serializers.BooleanField(help_text="Can no longer change.")
    # Only a forming candle has these three.
    last_price = DecimalText(required=False)
    last_tick_id = serializers.IntegerField(required=False)
    time = TimeText(required=False, help_text="Of the last tick.")


class SeriesSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    interval = serializers.ChoiceField(list(INTERVALS_MS))
    candles = CandleSerializer(many=True, help_text="Oldest first.")


class AllCandlesSerializer(serializers.Serializer[Json]):
    interval = serializers.ChoiceField(list(INTERVALS_MS))
    candles = CandleSerializer(many=True, help_text="Oldest first, then by symbol.")


class LatestTicksSerializer(serializers.Serializer[Json]):
    ticks = TickSerializer(many=True, help_text="By symbol.")


class SymbolTicksSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    ticks = TickSerializer(many=True, help_text="Oldest first.")
