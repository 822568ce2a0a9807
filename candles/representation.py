"""JSON of candles and ticks, and its schema."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from candles.intervals import INTERVALS_MS
from candles.live.state import SymbolState
from candles.models import Candle, Verdict
from foundation.decimals import plain
from foundation.rest.fields import DecimalText, Json, TimeText, iso, iso_ms, plain_or_null
from foundation.times import to_time
from market.representation import TickSerializer


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


AMOUNTS = (
    "open", "high", "low", "close", "volume", "quote_volume", "taker_volume", "taker_quote_volume",
)  # fmt: skip


# First and last instant as ISO 8601, differed, trades, verdict, revision, then AMOUNTS.
Row = Sequence[Any]


def candle_json(candle: Candle) -> Json:
    """A closed candle."""
    span = span_json(candle.open_time, candle.interval)
    amounts = [plain_or_null(getattr(candle, name)) for name in AMOUNTS]
    row = (*span, candle.differed, candle.trades, candle.verdict, candle.revision, *amounts)
    return row_json(candle.symbol.name, candle.interval, row)


def forming_json(symbol: str, state: SymbolState, interval: str | None = None) -> Json:
    """The open candle of `interval`, by default the first one followed, with the last tick.

    Raises KeyError for an interval that the stream does not follow.
    """
    interval = interval or state.intervals[0]
    candle = state.forming[interval]
    span = span_json(to_time(candle.open_ms), interval)
    amounts = [plain(getattr(candle, name)) for name in AMOUNTS]
    return {
        **row_json(symbol, interval, (*span, None, candle.trades, None, None, *amounts)),
        "last_price": plain(state.last_price),
        "last_tick_id": state.last_tick_id,
        "time": iso_ms(state.last_time_ms),
    }


def span_json(open_time: datetime, interval: str) -> tuple[str, str]:
    """The first and the last millisecond of a candle."""
    last = open_time + timedelta(milliseconds=INTERVALS_MS[interval] - 1)
    return iso(open_time), iso(last)


def row_json(symbol: str, interval: str, row: Row) -> Json:
    """A candle; without verdict, revision and differences while it forms."""
    open_time, close_time, differed, trades, verdict, revision, *amounts = row
    first, high, low, last, volume, quote, *taker = amounts
    return {
        "symbol": symbol,
        "interval": interval,
        "open_time": open_time,
        "close_time": close_time,
        "open": first,
        "high": high,
        "low": low,
        "close": last,
        "volume": volume,
        "quote_volume": quote,
        "taker_volume": taker[0],
        "taker_quote_volume": taker[1],
        "trades": trades,
        "verdict": verdict,
        "revision": revision,
        "differed": differed,
        "closed": verdict is not None,
    }
