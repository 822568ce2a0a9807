"""JSON of symbols and ticks, and how all endpoints write values and errors.

Prices, quantities and money are texts of plain digits; times are ISO 8601 in UTC with
milliseconds and a Z.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema_field
from rest_framework import serializers

from market.decimals import ZERO, plain
from market.models import Symbol
from market.rules import SymbolRules
from market.ticks import Side, Tick
from market.times import to_time

Json = dict[str, Any]


def iso(time: datetime) -> str:
    """`time` as 2026-01-02T03:04:05.678Z; an aware time of any zone."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"


def iso_ms(time_ms: int) -> str:
    """The same for milliseconds since the epoch."""
    return iso(to_time(time_ms))


def iso_or_null(time: datetime | None) -> str | None:
    return None if time is None else iso(time)


def plain_or_null(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


@extend_schema_field({"type": "string", "format": "decimal", "example": "61837.63"})
class DecimalText(serializers.CharField):
    """An exact decimal, written in plain digits."""


@extend_schema_field(
    {"type": "string", "format": "date-time", "example": "2026-01-02T03:04:05.678Z"}
)
class TimeText(serializers.CharField):
    """A time in UTC, with milliseconds."""


class ErrorSerializer(serializers.Serializer[Json]):
    """What every endpoint answers where it cannot do what it was asked."""

    error = serializers.CharField(help_text="A code that programs may rely on.")
    detail = serializers.CharField(help_text="One line for people: what was wrong, what is right.")


REFUSALS = {
    400: "A parameter is wrong; `detail` names it.",
    401: "Not signed in.",
    403: "Signed in, but not as staff, or without the CSRF token.",
    404: "There is no such symbol or row.",
    409: "It contradicts what is there.",
    503: "Redis, the database or the exchange does not answer; `error` says which.",
}


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """How an endpoint refuses, for the schema. Any read may need a sign-in, see PUBLIC_READ."""
    return {
        status: OpenApiResponse(ErrorSerializer, REFUSALS[status])
        for status in sorted({401, *statuses})
    }


def write_refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    return refusals(400, 403, *statuses)


class RulesSerializer(serializers.Serializer[Json]):
    price_step = DecimalText(help_text="Quote asset; 0 where there is none.")
    quantity_step = DecimalText(help_text="Base asset, for market orders.")
    min_quantity = DecimalText()
    max_quantity = DecimalText(allow_null=True, help_text="Null where there is no bound.")
    min_notional = DecimalText(help_text="Quote asset.")


class SymbolSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    base_asset = serializers.CharField()
    quote_asset = serializers.CharField()
    status = serializers.CharField(help_text="The exchange's word: TRADING, HALT, BREAK.")
    followed = serializers.BooleanField()
    order_quantity = DecimalText(
        allow_null=True, help_text="What an entry buys now; null while no price is known."
    )
    rules = RulesSerializer()


def symbol_json(symbol: Symbol, last_price: Decimal | None) -> Json:
    """A symbol with its trading rules; without a price the size of an order may be unknown."""
    rules = SymbolRules.from_filters(symbol.filters)
    quantity = symbol.order_quantity
    if last_price is not None:
        quantity = rules.order_quantity(symbol.base_asset, quantity, last_price)
    return {
        "symbol": symbol.name,
        "base_asset": symbol.base_asset,
        "quote_asset": symbol.quote_asset,
        "status": symbol.status,
        "followed": symbol.followed,
        "order_quantity": plain_or_null(quantity),
        "rules": _rules_json(rules, symbol),
    }


def _rules_json(rules: SymbolRules, symbol: Symbol) -> Json:
    by_type: dict[str, Json] = {one["filterType"]: one for one in symbol.filters}
    price_step = by_type.get("PRICE_FILTER", {}).get("tickSize", "0")
    most = [lot.most for lot in rules.lots if lot.most]
    return {
        "price_step": plain(Decimal(price_step)),
        "quantity_step": plain(rules.step),
        "min_quantity": plain(max((lot.least for lot in rules.lots), default=ZERO)),
        "max_quantity": plain(min(most)) if most else None,
        "min_notional": plain(rules.least_notional),
    }


class TickSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    tick_id = serializers.IntegerField(help_text="Rises by one per symbol.")
    time = TimeText(help_text="The exchange's trade time.")
    price = DecimalText()
    quantity = DecimalText()
    taker = serializers.ChoiceField([side.value for side in Side])
    trades = serializers.IntegerField(help_text="Single trades that it sums up.")


def tick_json(tick: Tick) -> Json:
    return {
        "symbol": tick.symbol,
        "tick_id": tick.tick_id,
        "time": iso_ms(tick.time_ms),
        "price": plain(tick.price),
        "quantity": plain(tick.quantity),
        "taker": tick.taker.value,
        "trades": tick.trades,
    }
