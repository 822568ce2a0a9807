"""JSON of strategies and signals: its shape, and its schema for /schema."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from rest_framework import serializers

from candles.services import last_prices
from foundation.decimals import plain
from foundation.rest.fields import DecimalText, Json, TimeText, iso, iso_or_null, plain_or_null
from foundation.times import to_ms
from market.models import Symbol
from orders.models import Position
from orders.representation import SIDES, STATUSES, PositionSerializer, position_json
from strategies.keys import candle_key
from strategies.models import Signal, SignalReason, Strategy, StrategyState
from strategies.services.windows import interval_of


class SignalSerializer(serializers.Serializer[Json]):
    key = serializers.CharField(help_text="Strategy, symbol, and what it answers to.")
    strategy = serializers.CharField()
    symbol = serializers.CharField()
    interval = serializers.CharField()
    reason = serializers.ChoiceField(SignalReason.choices)
    side = serializers.ChoiceField(SIDES)
    candle_open_time = TimeText(allow_null=True, help_text="Null where a stop or a halt sells.")
    candle_revision = serializers.IntegerField(
        allow_null=True, help_text="The candle as it was evaluated; it may have been revised since."
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
    open_time = TimeText(allow_null=True, help_text="The last candle evaluated; null before any.")
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


NOT_EVALUATED = "no candle evaluated yet"


def signal_json(signal: Signal) -> Json:
    """A signal with the values that led to it and what became of it."""
    order = signal.order
    return {
        "key": signal.key,
        "strategy": signal.strategy.name,
        "symbol": signal.symbol.name,
        "interval": signal.interval,
        "reason": signal.reason,
        "side": signal.side,
        "candle_open_time": iso_or_null(signal.candle_open_time),
        "candle_revision": signal.candle_revision,
        "price": plain(signal.price),
        "sma": plain_or_null(signal.sma),
        "ema": plain_or_null(signal.ema),
        "previous_sma": plain_or_null(signal.previous_sma),
        "previous_ema": plain_or_null(signal.previous_ema),
        "position": signal.position_id,
        "client_order_id": order.client_order_id if order else None,
        "order_status": order.status if order else None,
        "outcome": signal.outcome,
        "created_at": iso(signal.created_at),
    }


def strategies_json(strategies: Sequence[Strategy]) -> list[Json]:
    """Strategies with their state on every symbol they trade, in as many queries for one as
    for a hundred; `symbols` should be prefetched.
    """
    followed = list(Symbol.objects.followed())
    positions = Position.objects.open().select_related("symbol")
    states = list(StrategyState.objects.filter(strategy__in=strategies))
    signals = Signal.objects.filter(key__in=map(_key, states)).order_by()
    seen = _Seen(
        states={(one.strategy_id, one.symbol_id, one.interval): one for one in states},
        outcomes=dict(signals.values_list("key", "outcome")),
        positions={(one.strategy, one.symbol_id): one for one in positions},
        prices=last_prices([symbol.name for symbol in followed]),
    )
    return [_strategy_json(strategy, followed, seen) for strategy in strategies]


class _Seen(NamedTuple):
    """States, outcomes of their signals, open positions and prices, by key."""

    states: dict[tuple[int, int, str], StrategyState]
    outcomes: dict[str, str]
    positions: dict[tuple[str, int], Position]
    prices: dict[str, Decimal]


def _strategy_json(strategy: Strategy, followed: Sequence[Symbol], seen: _Seen) -> Json:
    named = list(strategy.symbols.all())
    interval = interval_of(strategy)
    traded = [symbol for symbol in followed if not named or symbol in named]
    return {
        "name": strategy.name,
        "variant": f"{strategy.name} ({plain(strategy.stop_loss * 100)} %)",
        "enabled": strategy.enabled,
        "interval": interval,
        "sma_period": strategy.sma_period,
        "ema_period": strategy.ema_period,
        "stop_loss": plain(strategy.stop_loss),
        "symbols": [symbol.name for symbol in named],
        "states": [_state_json(strategy, symbol, interval, seen) for symbol in traded],
    }


def _state_json(strategy: Strategy, symbol: Symbol, interval: str, seen: _Seen) -> Json:
    state = seen.states.get((strategy.pk, symbol.pk, interval))
    position = seen.positions.get((strategy.name, symbol.pk))
    price = seen.prices.get(symbol.name)
    return {
        "symbol": symbol.name,
        "open_time": iso(state.open_time) if state else None,
        "sma": plain_or_null(state.sma) if state else None,
        "ema": plain_or_null(state.ema) if state else None,
        "note": _note(state, seen.outcomes.get(_key(state))) if state else NOT_EVALUATED,
        "position": position_json(position, price) if position else None,
    }


def _key(state: StrategyState) -> str:
    """That of the signal which the candle of this state gave, if it gave one."""
    open_ms = to_ms(state.open_time)
    return candle_key(state.strategy_id, state.symbol_id, state.interval, open_ms)


def _note(state: StrategyState, outcome: str | None) -> str:
    return f"{state.note}; {outcome}" if outcome else state.note
