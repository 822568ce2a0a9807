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
    # These four are null where the candle came from an archive without them.
    quote_volume = DecimalText(allow_null=True, help_text="Quote asset.")
    taker_volume = DecimalText(allow_null=True, help_text="Base asset, what takers bought.")
    taker_quote_volume = DecimalText(allow_null=True, help_text="Quote asset, what takers bought.")
    trades = serializers.IntegerField(allow_null=True)
    verdict = serializers.ChoiceField(
        Verdict.choices,
        allow_null=True,
        help_text="How it compares with the exchange's own; null while it forms.",
    )
    revision = serializers.IntegerField(
        allow_null=True, help_text="1 as it closed, more once it was revised; null while it forms."
    )
    differed = serializers.DictField(
        child=serializers.ListField(child=DecimalText(), min_length=2, max_length=2),
        allow_null=True,
        help_text="By field, [ours, the exchange's], where they differ or, once repaired, did.",
    )
    closed = serializers.BooleanField(help_text="Changes only by a new revision.")
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
