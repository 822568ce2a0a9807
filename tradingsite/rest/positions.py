"""Positions and their performance over REST: facts of `orders`, prices of `candles`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from candles.services import last_prices
from foundation.rest.errors import error_responses
from foundation.rest.fields import DecimalText, Json, TimeText, iso_ms
from foundation.rest.parameters import ChoiceParameter, Query, filters
from foundation.rest.views import PagedView
from market.models import Symbol
from market.parameters import SymbolParameter, symbol_or_404
from orders import services
from orders.core.performance import PositionResult, performance
from orders.core.sums import ClosedSums
from orders.core.timeline import latency
from orders.models import Position
from orders.parameters import StrategyQuery
from orders.representation import PositionSerializer, position_json
from strategies.models import Strategy
from tradingsite.rest.shared import SharedAnswer

LATENCY_OF = 1000  # orders
Key = tuple[str, str]  # a strategy's name and a quote asset


class EquitySerializer(serializers.Serializer[Json]):
    time = TimeText(help_text="When a position closed.")
    equity = DecimalText(help_text="All realised P&L up to then.")


class OtherFeeSerializer(serializers.Serializer[Json]):
    asset = serializers.CharField()
    amount = DecimalText(help_text="In that asset.")
    value = DecimalText(allow_null=True, help_text="Quote asset, at the last price; null: unknown.")


class FiguresSerializer(serializers.Serializer[Json]):
    quote_asset = serializers.CharField(help_text="What all amounts are in.")
    positions = serializers.IntegerField()
    closed = serializers.IntegerField()
    unpriced = serializers.IntegerField(
        help_text="Open positions without a last price: counted as worth what they cost."
    )
    realised = DecimalText(help_text="After `fees`.")
    unrealised = DecimalText()
    pnl = DecimalText(help_text="Realised and unrealised, less other fees of known value.")
    fees = DecimalText(help_text="Those in base or quote asset.")
    other_fees = OtherFeeSerializer(
        many=True, help_text="In third assets (BNB). Without a value they are in no figure."
    )
    win_rate = DecimalText(allow_null=True, help_text="Fraction of the closed positions.")
    profit_factor = DecimalText(allow_null=True, help_text="Gross profit by gross loss.")
    expectancy = DecimalText(allow_null=True, help_text="Mean P&L of a closed position.")
    sharpe = DecimalText(allow_null=True, help_text="Per position, not annualised.")
    maximum_drawdown = DecimalText(help_text="Deepest fall of the equity from a peak.")
    equity = EquitySerializer(
        many=True, help_text="Oldest first; at most 501 points, evenly thinned."
    )


class StrategyFiguresSerializer(FiguresSerializer):
    strategy = serializers.CharField()


class DurationSerializer(serializers.Serializer[Json]):
    measured = serializers.IntegerField(help_text="How many orders it is known of.")
    p50 = serializers.IntegerField(allow_null=True, help_text="Milliseconds.")
    p90 = serializers.IntegerField(allow_null=True)
    p99 = serializers.IntegerField(allow_null=True)


class LatencySerializer(serializers.Serializer[Json]):
    received = DurationSerializer(help_text="From the tick's trade; two clocks.")
    closed = DurationSerializer(help_text="From there till the candle was in the database.")
    evaluated = DurationSerializer(help_text="From there till its order was decided.")
    committed = DurationSerializer(help_text="From there till that stood in the database.")
    sent = DurationSerializer(help_text="From there till the request left.")
    acknowledged = DurationSerializer(help_text="From there till the answer was here.")
    filled = DurationSerializer(help_text="From the request to the last trade; two clocks.")
    total = DurationSerializer(help_text="From receiving the tick to sending the request.")


class PerformanceSerializer(serializers.Serializer[Json]):
    total = FiguresSerializer(many=True, help_text="One for each quote asset.")
    strategies = StrategyFiguresSerializer(
        many=True, help_text="One for each strategy and quote asset."
    )
    latency = LatencySerializer(help_text="How long the steps of the newest 1000 orders took.")


class SymbolPositionsQuery(StrategyQuery):
    """Positions by the time they were opened at."""

    status = ChoiceParameter([*Position.Status.values, "all"], default=Position.Status.OPEN.value)


class PositionsQuery(SymbolPositionsQuery):
    symbol = SymbolParameter(required=False)


class PositionPages(PagedView[Position]):
    queryset = Position.objects.select_related("symbol")

    def page(self, asked: dict[str, Any]) -> Response:
        """The page of positions that `asked`, a checked query, wants."""
        status = {} if asked["status"] == "all" else {"status": asked["status"]}
        wanted = filters(
            asked,
            symbol="symbol",
            strategy="strategy",
            start="opened_at__gte",
            end="opened_at__lte",
        )
        page = self.rows(self.get_queryset().filter(**wanted, **status), asked)
        prices = last_prices(sorted({position.symbol.name for position in page}))
        return self.get_paginated_response(
            [position_json(position, prices.get(position.symbol.name)) for position in page]
        )


class PositionsView(PositionPages):
    @extend_schema(
        operation_id="positions",
        summary="Positions per strategy and symbol, newest first",
        parameters=[PositionsQuery],
        responses={200: PositionSerializer(many=True), **error_responses(400, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        return self.page(PositionsQuery.validate_request(request))


class SymbolPositionsView(PositionPages):
    @extend_schema(
        operation_id="positions_of_symbol",
        summary="Positions in a symbol, newest first",
        parameters=[SymbolPositionsQuery],
        responses={200: PositionSerializer(many=True), **error_responses(400, 404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        given = SymbolPositionsQuery.validate_request(request)
        return self.page({**given, "symbol": symbol_or_404(symbol)})


class PerformanceView(APIView):
    @extend_schema(
        operation_id="performance",
        summary="How strategies did, each and in total",
        description="Amounts of different quote assets are never added up.",
        responses={200: PerformanceSerializer, **error_responses(400, 503)},
    )
    def get(self, request: Request) -> Response:
        Query.validate_request(request)
        return Response(PERFORMANCE.get())


def performance_json() -> Json:
    """Figures of every strategy, those that never traded included, and of all together."""
    # Those that closed are left out by their index, too: there may be very many.
    open_positions = Position.objects.open().filter(closed_at=None).select_related("symbol")
    held = {position.symbol.name for position in open_positions}
    # Fees may be in an asset that is followed and not held.
    prices = last_prices(
        sorted(held.union(Symbol.objects.followed().values_list("name", flat=True)))
    )
    unpriced = Counter(
        (position.strategy, position.symbol.quote_asset)
        for position in open_positions
        if position.symbol.name not in prices
    )
    services.sum_up(timezone.now())
    kept = services.kept_sums()
    found = services.position_results(prices, among=kept.rest)
    quotes = set(Symbol.objects.followed().values_list("quote_asset", flat=True))
    names = set(Strategy.objects.values_list("name", flat=True))
    keys = sorted({*found, *product(names, quotes), *(key for key in kept.by_key if key[0])})
    return {
        "total": [
            _figures(
                quote,
                [key for key in keys if key[1] == quote],
                found,
                unpriced,
                kept.by_key.get(("", quote)),
            )
            for quote in sorted({quote for _, quote in keys} | quotes)
        ],
        "strategies": [
            {"strategy": key[0], **_figures(key[1], [key], found, unpriced, kept.by_key.get(key))}
            for key in keys
        ],
        "latency": latency(services.timelines(LATENCY_OF)),
    }


PERFORMANCE = SharedAnswer(performance_json)


def _figures(
    quote: str,
    keys: Sequence[Key],
    found: Mapping[Key, list[PositionResult]],
    unpriced: Counter[Key],
    before: ClosedSums | None,
) -> Json:
    """The figures of some strategies together, all in one quote asset: `before` sums up what is
    not in `found`.
    """
    figures = performance([result for key in keys for result in found.get(key, [])], before)
    curve = figures.pop("equity")
    return {
        "quote_asset": quote,
        "unpriced": sum(unpriced[key] for key in keys),
        **figures,
        "equity": [
            {"time": iso_ms(point["time_ms"]), "equity": point["equity"]} for point in curve
        ],
    }
