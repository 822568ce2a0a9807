"""Candles and ticks over REST."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from heapq import merge
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import Func, TextField
from django.db.models.functions import Cast
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from candles.intervals import INTERVALS_MS
from candles.live.state import KEPT_TICKS, SymbolState, read_states, recent_ticks
from candles.models import Candle, Verdict
from candles.representation import (
    AMOUNTS,
    AllCandlesSerializer,
    LatestTicksSerializer,
    Row,
    SeriesSerializer,
    SymbolTicksSerializer,
    forming_json,
    row_json,
    span_json,
)
from foundation.redis import connection
from foundation.rest.errors import error_responses
from foundation.rest.fields import Json, iso
from foundation.rest.parameters import (
    ChoiceParameter,
    IntegerParameter,
    Query,
    TimeParameter,
    filters,
)
from market.models import Symbol
from market.parameters import symbol_or_404
from market.representation import tick_json

MAX_CANDLES = 5000


class CandleQuery(Query):
    interval = ChoiceParameter(
        INTERVALS_MS, required=False, help_text="The first of INTERVALS if left out."
    )
    start = TimeParameter(required=False, help_text="Opened not before this time.")
    end = TimeParameter(required=False, help_text="Opened not after this time.")
    limit = IntegerParameter(
        min_value=1,
        max_value=MAX_CANDLES,
        default=500,
        help_text="The newest so many; the oldest from `start` on where only that is given.",
    )
    verdict = ChoiceParameter(
        list(Verdict), required=False, help_text="Only candles of this verdict."
    )
    forming = serializers.BooleanField(
        default=False, help_text="Also the open candle, on top of `limit`; it has no verdict."
    )


class TickQuery(Query):
    limit = IntegerParameter(
        min_value=1, max_value=KEPT_TICKS, default=100, help_text="The newest so many."
    )


class PlainDigits(Func):
    """A decimal column as plain text, without a Decimal in between.

    Ten times faster, and 500 candles are 4000 decimals. SQLite keeps plain text anyway.
    """

    template = "%(expressions)s"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="trim_scale(%(expressions)s)::text")


COLUMNS: list[Any] = [
    Cast("open_time", TextField()), Cast("differed", TextField()), "trades", "verdict", "revision",
    *map(PlainDigits, AMOUNTS),
]  # fmt: skip


def _series(
    symbol: Symbol, state: SymbolState | None, asked: dict[str, Any], limit: int
) -> list[Json]:
    """One symbol's candles, oldest first; with the open one where `state` is given.

    The state was read before the candles are: a candle that closed in between is then found
    closed, and no longer forming.
    """
    start, end, interval = asked.get("start"), asked.get("end"), asked["interval"]
    rows = _closed_rows(symbol, asked, limit)
    candles = [row_json(symbol.name, interval, row) for row in rows]
    cut = start is not None and end is None and len(rows) == limit
    if state is not None and interval in state.intervals and not cut:
        forming = forming_json(symbol.name, state, interval)
        after = candles[-1]["open_time"] if candles else ""
        opened = forming["open_time"]
        within = (start is None or opened >= iso(start)) and (end is None or opened <= iso(end))
        if within and opened > after:
            candles.append(forming)
    return candles


def _closed_rows(symbol: Symbol, asked: dict[str, Any], limit: int) -> list[Row]:
    """The newest `limit` between start and end, or the oldest from `start` on if it is alone."""
    wanted = filters(asked, start="open_time__gte", end="open_time__lte", verdict="verdict")
    found = Candle.objects.series(symbol, asked["interval"]).filter(**wanted)
    from_start = "start" in asked and "end" not in asked
    order = "open_time" if from_start else "-open_time"
    rows = list(found.order_by(order).values_list(*COLUMNS)[:limit])
    if not from_start:
        rows.reverse()
    return [
        (*_read_span(open_time, asked["interval"]), _read_differed(differed), *row)
        for open_time, differed, *row in rows
    ]


def _read_differed(text: str) -> Json:
    """Differences as the database writes them: nearly always none."""
    return {} if text == "{}" else dict(msgspec.json.decode(text))


@lru_cache(maxsize=20_000)  # the newest ones are asked for again and again, by every chart
def _read_span(text: str, interval: str) -> tuple[str, str]:
    """The span of an open time as the database writes it: whole seconds, in UTC."""
    return span_json(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC), interval)


def _asked(request: Request) -> dict[str, Any]:
    return {"interval": settings.INTERVALS[0], **CandleQuery.validate_request(request)}


def _states(symbols: Sequence[Symbol], asked: dict[str, Any]) -> dict[str, SymbolState]:
    if not asked["forming"] or "verdict" in asked:
        return {}
    return read_states(connection(), [symbol.name for symbol in symbols])


class CandlesView(APIView):
    @extend_schema(
        operation_id="candles_of_all_symbols",
        summary="Candles of all followed symbols",
        description="`limit` is shared evenly between the symbols, at least one each.",
        parameters=[CandleQuery],
        responses={200: AllCandlesSerializer, **error_responses(400, 503)},
    )
    def get(self, request: Request) -> Response:
        asked = _asked(request)
        symbols = list(Symbol.objects.followed())
        states = _states(symbols, asked)
        share = max(1, asked["limit"] // max(1, len(symbols)))
        series = [_series(symbol, states.get(symbol.name), asked, share) for symbol in symbols]
        candles = list(merge(*series, key=lambda candle: candle["open_time"]))
        return Response({"interval": asked["interval"], "candles": candles})


class SymbolCandlesView(APIView):
    @extend_schema(
        operation_id="candles",
        summary="Candles of a symbol",
        parameters=[CandleQuery],
        responses={200: SeriesSerializer, **error_responses(400, 404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        asked = _asked(request)
        known = symbol_or_404(symbol)
        state = _states([known], asked).get(known.name)
        candles = _series(known, state, asked, asked["limit"])
        return Response({"symbol": known.name, "interval": asked["interval"], "candles": candles})


class TicksView(APIView):
    @extend_schema(
        operation_id="latest_ticks",
        summary="The latest tick of every followed symbol",
        responses={200: LatestTicksSerializer, **error_responses(400, 503)},
    )
    def get(self, request: Request) -> Response:
        Query.validate_request(request)
        names = Symbol.objects.followed().values_list("name", flat=True)
        ticks = [tick for name in names for tick in recent_ticks(connection(), name, 1)]
        return Response({"ticks": [tick_json(tick) for tick in ticks]})


class SymbolTicksView(APIView):
    @extend_schema(
        operation_id="ticks",
        summary="The last ticks of a symbol",
        parameters=[TickQuery],
        responses={200: SymbolTicksSerializer, **error_responses(400, 404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        limit = TickQuery.validate_request(request)["limit"]
        known = symbol_or_404(symbol)
        ticks = recent_ticks(connection(), known.name, limit)
        return Response({"symbol": known.name, "ticks": [tick_json(tick) for tick in ticks]})
