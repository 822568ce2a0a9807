"""JSON of symbols and ticks, shape and schema.

Prices, quantities and money are texts of plain digits; times are ISO 8601 in UTC with
milliseconds and a Z.
"""

from decimal import Decimal

from rest_framework import serializers

from foundation.decimals import ZERO, plain
from foundation.rest.fields import DecimalText, Json, TimeText, iso_ms, plain_or_null
from market.models import Symbol
from market.rules import SymbolRules
from market.ticks import Side, Tick


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
        "rules": _rules_json(rules),
    }


def _rules_json(rules: SymbolRules) -> Json:
    largest = [lot.max_quantity for lot in rules.lots if lot.max_quantity]
    return {
        "price_step": plain(rules.price_step),
        "quantity_step": plain(rules.quantity_step),
        "min_quantity": plain(max((lot.min_quantity for lot in rules.lots), default=ZERO)),
        "max_quantity": plain(min(largest)) if largest else None,
        "min_notional": plain(rules.min_notional),
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
