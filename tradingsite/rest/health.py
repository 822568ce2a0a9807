"""Health, and answers for what lies under the API's paths without being an endpoint."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import bad_request as django_bad_request
from django.views.defaults import server_error
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation.rest.fields import Json, TimeText
from tradingsite.rest.health_checks import Report, run_checks
from tradingsite.rest.symbols import StreamSerializer

API_PREFIXES = (
    "health", "symbols", "candles", "positions", "trades", "orders", "signals", "ticks",
    "strategy", "halt", "performance", "adjustments",
)  # fmt: skip


class PartSerializer(serializers.Serializer[Json]):
    ok = serializers.BooleanField()
    error = serializers.CharField(required=False, help_text="What is wrong, where it is not ok.")


class TimedSerializer(PartSerializer):
    answered_ms = serializers.FloatField(required=False)


class ShardSerializer(serializers.Serializer[Json]):
    connected = serializers.BooleanField()
    leader = serializers.CharField(help_text="host:pid of the process that writes its candles.")
    holder = serializers.CharField(help_text="Deprecated: the same as `leader`.")
    standbys = serializers.ListField(
        child=serializers.CharField(), help_text="host:pid of those that would take over."
    )
    beat_age_ms = serializers.IntegerField()
    last_frame_age_ms = serializers.IntegerField(allow_null=True)


class StreamPartSerializer(PartSerializer):
    shards = serializers.DictField(child=ShardSerializer(), required=False, help_text="By I/N.")
    lag_ms = serializers.IntegerField(
        required=False, help_text="Age of the newest tick when it came, by the exchange's clock."
    )
    damaged = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="Frames, events and rows of answers that could not be, by kind, since the start.",
    )
    symbols = serializers.DictField(
        child=StreamSerializer(), required=False, help_text="By followed symbol."
    )


class WorkerPartSerializer(PartSerializer):
    beat_age_ms = serializers.IntegerField(required=False)


class ClockPartSerializer(PartSerializer):
    offset_ms = serializers.IntegerField(
        required=False, help_text="Milliseconds that the exchange's clock is ahead of ours."
    )


class UnansweredPartSerializer(PartSerializer):
    count = serializers.IntegerField(required=False)
    oldest_age_ms = serializers.IntegerField(required=False, allow_null=True)


class AccountStreamPartSerializer(PartSerializer):
    subscribed = serializers.BooleanField(required=False)
    last_frame_age_ms = serializers.IntegerField(
        required=False, allow_null=True, help_text="Null before the first one."
    )


class AlarmSerializer(serializers.Serializer[Json]):
    symbol = serializers.CharField()
    text = serializers.CharField()
    since = TimeText()


class ReconciliationPartSerializer(PartSerializer):
    alarms = AlarmSerializer(
        many=True, required=False, help_text="What account and books disagree about."
    )


class PartsSerializer(serializers.Serializer[Json]):
    database = TimedSerializer()
    redis = TimedSerializer()
    stream = StreamPartSerializer()
    worker = WorkerPartSerializer()
    exchange_clock = ClockPartSerializer()
    unanswered_orders = UnansweredPartSerializer()
    account_stream = AccountStreamPartSerializer()
    reconciliation = ReconciliationPartSerializer()


class HealthSerializer(serializers.Serializer[Json]):
    status = serializers.ChoiceField(["ok", "failing"])
    parts = PartsSerializer(
        required=False, help_text="Left out for strangers where reads are not open."
    )


class HealthView(APIView):
    """Open to all, like the port itself: what watches over us has no account with us."""

    permission_classes = ()

    def perform_authentication(self, request: Request) -> None:
        """Not before it is needed: it asks the database, which may be what is down."""

    @extend_schema(
        operation_id="health",
        summary="Health of every part",
        responses={
            200: HealthSerializer,
            503: OpenApiResponse(HealthSerializer, "At least one part does not work."),
        },
    )
    def get(self, request: Request) -> Response:
        parts = run_checks()
        well = all(part["ok"] for part in parts.values())
        answer: dict[str, Any] = {"status": "ok" if well else "failing"}
        if _may_see(request, parts):
            answer["parts"] = parts
        return Response(answer, status=200 if well else 503)


def _may_see(request: Request, parts: Mapping[str, Report]) -> bool:
    if settings.PUBLIC_READ:
        return True
    try:
        return bool(parts["database"]["ok"] and request.user.is_authenticated)
    except (APIException, DatabaseError):
        return False


class UnknownPathView(APIView):
    """For what looks like the API and is not there."""

    permission_classes = ()
    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound(f"there is no {request.path}; /docs lists what there is")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django itself refuses: too many fields, a host that is none of ours."""
    if request.path.split("/")[1] not in API_PREFIXES:
        return django_bad_request(request, exception)
    detail = "the request cannot be read: " + type(exception).__name__
    return JsonResponse({"error": "bad_request", "detail": detail}, status=400)


def server_fault(request: HttpRequest) -> HttpResponse:
    """A fault of ours, in the shape of whoever asked; the traceback is in the log."""
    if request.path.split("/")[1] not in API_PREFIXES:
        return server_error(request)
    detail = "a fault of ours; the log has it"
    return JsonResponse({"error": "internal", "detail": detail}, status=500)
