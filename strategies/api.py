"""Strategies and signals over REST."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator
from rest_framework.views import APIView

from candles.services import last_prices
from market.api import Json, iso, iso_or_null, plain_or_null, refusals, write_refusals
from market.decimals import plain
from market.models import Symbol
from market.parameters import OneOf, Query, SidedQuery, SymbolParameter, filters
from market.times import to_ms
from orders.api import position_json
from orders.models import Position
from strategies.keys import candle_key
from strategies.models import Signal, SignalReason, Strategy, StrategyState
from strategies.parameters import wrong_parameters
from strategies.schema import SignalSerializer, StrategiesSerializer, StrategySerializer
from strategies.services.series import interval_of

NAME = Strategy._meta.get_field("name")
NOT_JUDGED = "no candle judged yet"


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
    positions = Position.objects.filter(status=Position.Status.OPEN).select_related("symbol")
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
    """What there is of states, what came of their signals, open positions and prices, by key."""

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
        "note": _note(state, seen.outcomes.get(_key(state))) if state else NOT_JUDGED,
        "position": position_json(position, price) if position else None,
    }


def _key(state: StrategyState) -> str:
    """That of the signal which the candle of this state gave, if it gave one."""
    open_ms = to_ms(state.open_time)
    return candle_key(state.strategy_id, state.symbol_id, state.interval, open_ms)


def _note(state: StrategyState, outcome: str | None) -> str:
    return f"{state.note}; {outcome}" if outcome else state.note


class SignalQuery(SidedQuery):
    reason = OneOf(SignalReason.values, required=False)


class StrategyBody(serializers.Serializer[Strategy]):
    """A strategy as it is written; what is left out of a PATCH stays as it is."""

    name = serializers.CharField(
        max_length=NAME.max_length,
        validators=[*NAME.validators, UniqueValidator(Strategy.objects.all(), "is taken")],
    )
    enabled = serializers.BooleanField(default=True)
    interval = serializers.CharField(
        allow_blank=True, default="", help_text="One of INTERVALS; empty for the first of them."
    )
    sma_period = serializers.IntegerField()
    ema_period = serializers.IntegerField()
    stop_loss = serializers.DecimalField(max_digits=None, decimal_places=None)
    symbols = serializers.ListField(
        child=SymbolParameter(), default=list, help_text="Empty to trade all followed symbols."
    )

    def validate_name(self, name: str) -> str:
        if self.instance is not None and name != self.instance.name:
            raise serializers.ValidationError("stays as it is: orders and positions name it")
        return name

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        wrong = wrong_parameters(given, settings.INTERVALS)
        for name in self.initial_data:
            if name not in self.fields:
                wrong[name] = f"no such parameter; there are {', '.join(self.fields)}"
        if wrong:
            raise serializers.ValidationError(wrong)
        return given

    @transaction.atomic
    def create(self, given: dict[str, Any]) -> Strategy:
        symbols = given.pop("symbols")
        strategy = Strategy.objects.create(**given)
        strategy.symbols.set(symbols)
        return strategy

    @transaction.atomic
    def update(self, strategy: Strategy, given: dict[str, Any]) -> Strategy:
        if "symbols" in given:
            strategy.symbols.set(given.pop("symbols"))
        for name, value in given.items():
            setattr(strategy, name, value)
        strategy.save()
        return strategy


class SignalsView(GenericAPIView[Signal]):
    queryset = Signal.objects.select_related("strategy", "symbol", "order")

    @extend_schema(
        operation_id="signals",
        summary="Signals with the values that led to them, newest first",
        parameters=[SignalQuery],
        responses={200: SignalSerializer(many=True), **refusals(400, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        asked = filters(
            SignalQuery.of(request),
            symbol="symbol",
            strategy="strategy__name",
            side="side",
            reason="reason",
            start="created_at__gte",
            end="created_at__lte",
        )
        page = self.paginate_queryset(self.get_queryset().filter(**asked)) or []
        return self.get_paginated_response([signal_json(signal) for signal in page])


class StrategiesView(APIView):
    @extend_schema(
        operation_id="strategies",
        summary="Strategies with parameters and state",
        responses={200: StrategiesSerializer, **refusals(400, 503)},
    )
    def get(self, request: Request) -> Response:
        Query.of(request)
        return Response({"strategies": strategies_json(list(_strategies()))})

    @extend_schema(
        operation_id="create_strategy",
        summary="Make a strategy; it works from the next candle on",
        request=StrategyBody,
        responses={201: StrategySerializer, **write_refusals(404, 503)},
    )
    def post(self, request: Request) -> Response:
        return Response(_saved(StrategyBody(data=request.data)), status=201)


class StrategyView(APIView):
    @extend_schema(
        operation_id="strategy",
        summary="A strategy with parameters and state",
        responses={200: StrategySerializer, **refusals(400, 404, 503)},
    )
    def get(self, request: Request, name: str) -> Response:
        Query.of(request)
        return Response(strategies_json([_known_strategy(name)])[0])

    @extend_schema(
        operation_id="change_strategy",
        summary="Change a strategy; it holds from the next candle on",
        request=StrategyBody,
        responses={200: StrategySerializer, **write_refusals(404, 503)},
    )
    def patch(self, request: Request, name: str) -> Response:
        body = StrategyBody(_known_strategy(name), data=request.data, partial=True)
        return Response(_saved(body))


def _strategies() -> QuerySet[Strategy]:
    return Strategy.objects.prefetch_related("symbols")


def _known_strategy(name: str) -> Strategy:
    strategy = _strategies().filter(name=name).first() if name.isprintable() else None
    if strategy is None:
        raise NotFound(
            f"strategy {name!r} is unknown; GET /strategy lists them", code="unknown_strategy"
        )
    return strategy


def _saved(body: StrategyBody) -> Json:
    body.is_valid(raise_exception=True)
    return strategies_json([_known_strategy(body.save().name)])[0]
