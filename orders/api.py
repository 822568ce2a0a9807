"""Orders, trades and the halt over REST; positions need prices too, so `tradingsite` has them."""

import csv
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation.rest.errors import error_responses, write_error_responses
from foundation.rest.fields import Json
from foundation.rest.parameters import ChoiceParameter, IntegerParameter, Query, filters
from foundation.rest.views import PagedView
from market.parameters import SymbolParameter
from orders import services
from orders.models import Adjustment, AdjustmentKind, Halt, HaltLevel, Order, Trade
from orders.parameters import SidedQuery, StrategyQuery
from orders.representation import (
    STATUSES,
    AdjustmentSerializer,
    HaltSerializer,
    OrderSerializer,
    TradeSerializer,
    adjustment_json,
    halt_json,
    order_json,
    trade_json,
)

CSV_BATCH = 1000  # rows fetched at a time
MAX_DIGITS, MAX_PLACES = 30, 10


class OrderQuery(SidedQuery):
    status = ChoiceParameter(STATUSES, required=False)


class TradeQuery(SidedQuery):
    format = ChoiceParameter(
        ["json", "csv"], default="json", help_text="csv answers with all rows, not with a page."
    )


class AdjustmentQuery(StrategyQuery):
    symbol = SymbolParameter(required=False)
    kind = ChoiceParameter(AdjustmentKind.values, required=False)


class WriteOffBody(serializers.Serializer[Json]):
    position = IntegerParameter(min_value=1, max_value=2**63 - 1, help_text="`id` of an open one.")
    quantity = serializers.DecimalField(
        MAX_DIGITS, MAX_PLACES, required=False, help_text="Base asset; all of it where left out."
    )
    reason = serializers.CharField(max_length=200)


class NotNow(APIException):
    """It cannot be done as things are."""

    status_code = 409
    default_code = "conflict"


class HaltBody(serializers.Serializer[Json]):
    level = ChoiceParameter(HaltLevel.values)
    reason = serializers.CharField(max_length=200, allow_blank=True, default="")


class OrdersView(PagedView[Order]):
    queryset = Order.objects.select_related("symbol").prefetch_related("changes")

    @extend_schema(
        operation_id="orders",
        summary="Orders with their whole history, newest first",
        parameters=[OrderQuery],
        responses={200: OrderSerializer(many=True), **error_responses(400, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        given = OrderQuery.validate_request(request)
        asked = filters(
            given,
            symbol="symbol",
            strategy="strategy",
            side="side",
            status="status",
            start="created_at__gte",
            end="created_at__lte",
        )
        page = self.rows(self.get_queryset().filter(**asked), given)
        return self.get_paginated_response([order_json(order) for order in page])


class TradesView(PagedView[Trade]):
    queryset = Trade.objects.select_related("symbol", "order")

    @extend_schema(
        operation_id="trades",
        summary="Our fills, newest first",
        parameters=[TradeQuery],
        responses={
            200: TradeSerializer(many=True),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "All rows, with a header line."),
            **error_responses(400, 404, 503),
        },
    )
    def get(self, request: Request) -> Response | StreamingHttpResponse:
        given = TradeQuery.validate_request(request)
        asked = filters(
            given,
            symbol="symbol",
            strategy="strategy",
            side="side",
            start="time__gte",
            end="time__lte",
        )
        trades = self.get_queryset().filter(**asked)
        if given["format"] == "csv":
            return _csv(trades)
        page = self.rows(trades, given)
        return self.get_paginated_response([trade_json(trade) for trade in page])


class _Line:
    """A file for csv.writer that hands back what was written instead of keeping it."""

    def write(self, text: str) -> str:
        return text


def _csv(trades: QuerySet[Trade]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _csv_lines(trades),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="trades.csv"'},
    )


async def _csv_lines(trades: QuerySet[Trade]) -> AsyncIterator[str]:
    """A header, then a line for each trade, never all of them in memory."""
    writer = csv.writer(_Line())
    columns: Sequence[str] = list(TradeSerializer().fields)
    yield writer.writerow(columns)
    async for trade in trades.aiterator(chunk_size=CSV_BATCH):
        row: dict[str, Any] = trade_json(trade)
        yield writer.writerow([row[name] for name in columns])


class AdjustmentsView(PagedView[Adjustment]):
    queryset = Adjustment.objects.select_related("position__symbol", "trade", "by")
    write_permissions = {"POST": "orders.add_adjustment"}

    @extend_schema(
        operation_id="adjustments",
        summary="Base asset that left positions without a trade of theirs, newest first",
        parameters=[AdjustmentQuery],
        responses={200: AdjustmentSerializer(many=True), **error_responses(400, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        given = AdjustmentQuery.validate_request(request)
        asked = filters(
            given,
            symbol="position__symbol",
            strategy="position__strategy",
            kind="kind",
            start="at__gte",
            end="at__lte",
        )
        page = self.rows(self.get_queryset().filter(**asked), given)
        return self.get_paginated_response([adjustment_json(one) for one in page])

    @extend_schema(
        operation_id="write_off",
        summary="Write an open position off, or a part of it",
        description="For what can never be sold: nothing is sold, and its cost is a loss.",
        request=WriteOffBody,
        responses={200: AdjustmentSerializer, **write_error_responses(409, 503)},
    )
    def post(self, request: Request) -> Response:
        body = WriteOffBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        user = cast(User, request.user)  # the permission let nobody else in
        try:
            adjustment = services.write_off(
                asked["position"], asked.get("quantity"), asked["reason"], user, timezone.now()
            )
        except services.NotWrittenOff as error:
            raise NotNow(str(error)) from error
        return Response(adjustment_json(adjustment))


class HaltView(APIView):
    write_permissions = {"POST": "orders.add_halt"}

    @extend_schema(
        operation_id="halt",
        summary="The trading halt that governs",
        responses={200: HaltSerializer, **error_responses(400, 503)},
    )
    def get(self, request: Request) -> Response:
        Query.validate_request(request)
        return Response(halt_json(Halt.objects.select_related("by").first()))

    @extend_schema(
        operation_id="set_halt",
        summary="Halt trading, or go on",
        description="`no_entries` opens nothing more, `flatten` sells what is held as well.",
        request=HaltBody,
        responses={200: HaltSerializer, **write_error_responses(503)},
    )
    def post(self, request: Request) -> Response:
        body = HaltBody(data=request.data)
        body.is_valid(raise_exception=True)
        halt = services.set_halt(
            level=body.validated_data["level"],
            user=cast(User, request.user),  # the permission let nobody else in
            reason=body.validated_data["reason"],
            now=timezone.now(),
        )
        return Response(halt_json(halt))
