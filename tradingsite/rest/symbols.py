"""Symbols over REST: rules from the exchange, state of the stream, following or not."""

from collections.abc import Sequence

from drf_spectacular.utils import extend_schema
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from candles.live.state import Counts, SymbolState, read_states
from foundation.decimals import plain
from foundation.redis import connection
from foundation.rest.errors import error_responses, write_error_responses
from foundation.rest.fields import DecimalText, Json, TimeText, iso_ms
from foundation.rest.parameters import Query
from market import services
from market.models import Symbol
from market.parameters import symbol_or_404
from market.representation import SymbolSerializer, symbol_json
from orders.models import Position
from tradingsite.live.stream_status import Streams


class StreamSerializer(serializers.Serializer[Json]):
    state = serializers.ChoiceField(
        ["live", "waiting", "refilling", "polled", "stale", "down"],
        help_text=(
            "waiting: no tick has come yet; refilling: missed ticks are being fetched; polled: the "
            "stream carries nothing of it, REST is asked in its place; stale: no tick for a minute."
        ),
    )
    last_tick_id = serializers.IntegerField(allow_null=True)
    last_tick_time = TimeText(allow_null=True)
    age_ms = serializers.IntegerField(allow_null=True, help_text="Of the last tick.")
    last_price = DecimalText(allow_null=True)
    to_fetch = serializers.IntegerField(help_text="Ticks that are missing.")
    shard = serializers.CharField(allow_null=True, help_text="I/N: which share it belongs to.")
    leader = serializers.CharField(
        allow_null=True, help_text="host:pid of the process that writes its candles."
    )
    holder = serializers.CharField(allow_null=True, help_text="Deprecated: the same as `leader`.")
    standbys = serializers.ListField(
        child=serializers.CharField(), help_text="host:pid of those that would take over."
    )
    refilled = serializers.IntegerField(help_text="Ticks fetched over REST so far.")
    holes = serializers.IntegerField(help_text="Ids that the exchange says it doesn't have.")
    given_up = serializers.IntegerField(help_text="Ids that nobody gave; candles were repaired.")
    late = serializers.IntegerField(help_text="Ticks that came after their candle had closed.")


class FollowedSerializer(SymbolSerializer):
    stream = StreamSerializer()


class SymbolsSerializer(serializers.Serializer[Json]):
    symbols = FollowedSerializer(many=True, help_text="Followed ones, by name.")


class UnfollowQuery(Query):
    force = serializers.BooleanField(default=False, help_text="Even while a position is open.")


class PositionOpen(APIException):
    status_code = 409
    default_code = "position_open"


def stream_json(symbol: str, streams: Streams, state: SymbolState | None) -> Json:
    """JSON of one symbol's stream. `state` is None before the first tick."""
    shard = streams.of(symbol)
    counts = state.counts if state else Counts()
    return {
        "state": streams.symbol_availability(symbol, state),
        "last_tick_id": state.last_tick_id if state else None,
        "last_tick_time": iso_ms(state.last_time_ms) if state else None,
        "age_ms": max(0, streams.now_ms - state.last_time_ms) if state else None,
        "last_price": plain(state.last_price) if state else None,
        "to_fetch": shard.refilling.get(symbol, 0) if shard else 0,
        "shard": shard.shard if shard else None,
        "leader": shard.holder if shard else None,
        "holder": shard.holder if shard else None,
        "standbys": shard.standbys if shard else [],
        "refilled": counts.refilled,
        "holes": counts.holes,
        "given_up": counts.given_up,
        "late": counts.late,
    }


def symbols_json(symbols: Sequence[Symbol]) -> list[Json]:
    """Symbols with rules and stream state; without Redis nothing arrives, so that is down."""
    try:
        states = read_states(connection(), [symbol.name for symbol in symbols])
    except RedisError:
        states = {}
    streams = Streams.read()
    return [_followed_json(symbol, streams, states.get(symbol.name)) for symbol in symbols]


def _followed_json(symbol: Symbol, streams: Streams, state: SymbolState | None) -> Json:
    return {
        **symbol_json(symbol, state.last_price if state else None),
        "stream": stream_json(symbol.name, streams, state),
    }


class SymbolsView(APIView):
    @extend_schema(
        operation_id="symbols",
        summary="Followed symbols with trading rules and stream state",
        responses={200: SymbolsSerializer, **error_responses(400, 503)},
    )
    def get(self, request: Request) -> Response:
        Query.validate_request(request)
        return Response({"symbols": symbols_json(list(Symbol.objects.followed()))})


class SymbolView(APIView):
    write_permissions = dict.fromkeys(("POST", "DELETE"), "market.change_symbol")

    @extend_schema(
        operation_id="symbol",
        summary="A symbol with trading rules and stream state, followed or not",
        responses={200: FollowedSerializer, **error_responses(400, 404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        Query.validate_request(request)
        return Response(symbols_json([symbol_or_404(symbol)])[0])

    @extend_schema(
        operation_id="follow",
        summary="Follow a symbol; ticks come within two seconds",
        request=None,
        responses={200: FollowedSerializer, **write_error_responses(404, 503)},
    )
    def post(self, request: Request, symbol: str) -> Response:
        Query.validate_request(request)
        try:
            followed = services.follow(symbol.upper())
        except services.UnknownSymbol as error:
            raise NotFound(str(error), code="unknown_symbol") from error
        return Response(symbols_json([followed])[0])

    @extend_schema(
        operation_id="unfollow",
        summary="Stop following a symbol; its history stays",
        parameters=[UnfollowQuery],
        responses={200: FollowedSerializer, **write_error_responses(404, 409, 503)},
    )
    def delete(self, request: Request, symbol: str) -> Response:
        force = UnfollowQuery.validate_request(request)["force"]
        known = symbol_or_404(symbol)
        held = Position.objects.open().filter(symbol=known)
        if not force and (strategies := sorted(held.values_list("strategy", flat=True))):
            raise PositionOpen(
                f"{', '.join(strategies)} hold a position in {known}, whose stop loss would no"
                " longer be watched; sell first, or give force=true"
            )
        return Response(symbols_json([services.unfollow(known.name)])[0])
