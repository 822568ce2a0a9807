"""Candles in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from candles.comparison import FIELDS
from candles.intervals import INTERVALS_MS
from candles.models import Candle, CandleRevision
from foundation.admin import ReadOnlyAdmin
from market.admin import SymbolFilter


class IntervalFilter(admin.SimpleListFilter):
    """By interval. Django's own filter would look through every candle to find which exist."""

    title = "interval"
    parameter_name = "interval"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in INTERVALS_MS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(interval=self.value()) if self.value() else queryset


class RevisionsInline(admin.TabularInline[CandleRevision, Candle]):
    """Former revisions of a candle."""

    model = CandleRevision
    fields = readonly_fields = ("revision", "cause", "at", "numbers")
    extra = 0

    @admin.display(description="values")
    def numbers(self, row: CandleRevision) -> str:
        return ", ".join(f"{name} {row.values[name] or '-'}" for name in FIELDS)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Candle)
class CandleAdmin(ReadOnlyAdmin[Candle]):
    # By key, newest first: millions of candles have no index on the time alone, so there is
    # no date hierarchy either.
    ordering = ("-id",)
    sortable_by = ()
    list_display = (
        "symbol", "interval", "open_time", "open", "high", "low", "close", "volume", "trades",
        "verdict", "revision", "difference",
    )  # fmt: skip
    list_filter = (SymbolFilter, IntervalFilter, "verdict")
    list_select_related = ("symbol",)
    search_fields = ("=symbol__name",)
    search_help_text = "A symbol's whole name"
    inlines = (RevisionsInline,)

    @admin.display(description="differed", empty_value="-")
    def difference(self, row: Candle) -> str:
        """Fields in which the exchange's kline differs, or did before the repair."""
        fields = row.differed.items()
        return ", ".join(f"{name} {ours}, exchange {theirs}" for name, (ours, theirs) in fields)

    def get_fields(self, request: HttpRequest, obj: Candle | None = None) -> Any:
        fields = super().get_fields(request, obj)
        return ["difference" if name == "differed" else name for name in fields]
