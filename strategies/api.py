"""Strategies and signals over REST."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator
from rest_framework.views import APIView

from foundation.fields import MAX_DIGITS
from foundation.rest.errors import error_responses, write_error_responses
from foundation.rest.fields import Json
from foundation.rest.parameters import ChoiceParameter, IntegerParameter, Query, filters
from foundation.rest.views import PagedView
from foundation.rest.writing import save_or_refuse
from market.parameters import SymbolParameter
from orders.parameters import SidedQuery
from strategies.models import Signal, SignalReason, Strategy
from strategies.parameters import MAX_PERIOD, wrong_parameters
from strategies.representation import (
    SignalSerializer,
    StrategiesSerializer,
    StrategySerializer,
    signal_json,
    strategies_json,
)

NAME = Strategy._meta.get_field("name")


class SignalQuery(SidedQuery):
    reason = ChoiceParameter(SignalReason.values, required=False)


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
    sma_period = IntegerParameter(min_value=1, max_value=MAX_PERIOD)
    ema_period = IntegerParameter(min_value=1, max_value=MAX_PERIOD)
    stop_loss = serializers.DecimalField(max_digits=MAX_DIGITS, decimal_places=None)
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
        strategy.save(update_fields=given)  # another change at once keeps what it has changed
        return strategy


class SignalsView(PagedView[Signal]):
    queryset = Signal.objects.select_related("strategy", "symbol", "order")

    @extend_schema(
        operation_id="signals",
        summary="Signals with the values that led to them, newest first",
        parameters=[SignalQuery],
        responses={200: SignalSerializer(many=True), **error_responses(400, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        given = SignalQuery.validate_request(request)
        asked = filters(
            given,
            symbol="symbol",
            strategy="strategy__name",
            side="side",
            reason="reason",
            start="created_at__gte",
            end="created_at__lte",
        )
        page = self.rows(self.get_queryset().filter(**asked), given)
        return self.get_paginated_response([signal_json(signal) for signal in page])


class StrategiesView(APIView):
    write_permissions = {"POST": "strategies.add_strategy"}

    @extend_schema(
        operation_id="strategies",
        summary="Strategies with parameters and state",
        responses={200: StrategiesSerializer, **error_responses(400, 503)},
    )
    def get(self, request: Request) -> Response:
        Query.validate_request(request)
        return Response({"strategies": strategies_json(list(_strategies()))})

    @extend_schema(
        operation_id="create_strategy",
        summary="Make a strategy; it works from the next candle on",
        request=StrategyBody,
        responses={201: StrategySerializer, **write_error_responses(404, 503)},
    )
    def post(self, request: Request) -> Response:
        return Response(_saved(StrategyBody(data=request.data)), status=201)


class StrategyView(APIView):
    write_permissions = {"PATCH": "strategies.change_strategy"}

    @extend_schema(
        operation_id="strategy",
        summary="A strategy with parameters and state",
        responses={200: StrategySerializer, **error_responses(400, 404, 503)},
    )
    def get(self, request: Request, name: str) -> Response:
        Query.validate_request(request)
        return Response(strategies_json([_known_strategy(name)])[0])

    @extend_schema(
        operation_id="change_strategy",
        summary="Change a strategy; it holds from the next candle on",
        request=StrategyBody,
        responses={200: StrategySerializer, **write_error_responses(404, 503)},
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
    saved = save_or_refuse(body)
    return strategies_json([_known_strategy(saved.name)])[0]
