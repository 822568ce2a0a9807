"""Candles in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from candles.intervals import INTERVALS_MS
from candles.models import Candle
from market.admin import Facts, OfSymbol


class OfInterval(admin.SimpleListFilter):
    """By interval. Django's own filter would look through every candle to find which exist."""

    title = "interval"
    parameter_name = "interval"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in INTERVALS_MS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(interval=self.value()) if self.value() else queryset


@admin.register(Candle)
class CandleAdmin(Facts[Candle]):
    # By key, newest first: millions of candles have no index on the time alone, so there is
    # no date hierarchy either.
    ordering = ("-id",)
    sortable_by = ()
    list_display = (
        "symbol", "interval", "open_time", "open", "high", "low", "close", "volume", "trades",
        "verdict",
    )  # fmt: skip
    list_filter = (OfSymbol, OfInterval, "verdict")
    list_select_related = ("symbol",)
    search_fields = ("=symbol__name",)
    search_help_text = "A symbol's whole name"
