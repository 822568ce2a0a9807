"""Admin of symbols, and the filter by symbol of all other pages."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from foundation.admin import PlainDecimalAdmin
from foundation.decimals import floor_to_step, plain
from market import services
from market.failures import ExchangeUnreachable
from market.models import Symbol
from market.rules import SymbolRules


class SymbolFilter(admin.SimpleListFilter):
    """Filter by followed symbol. Django's own filter would list every market of the exchange."""

    title = "symbol"
    parameter_name = "symbol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in Symbol.objects.followed().values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(symbol__name=self.value()) if self.value() else queryset


class SymbolForm(forms.ModelForm[Symbol]):
    class Meta:
        model = Symbol
        fields = ("order_quantity",)

    def clean_order_quantity(self) -> Decimal | None:
        quantity: Decimal | None = self.cleaned_data["order_quantity"]
        if quantity is None:
            return None
        if quantity <= 0:
            raise forms.ValidationError("Give a quantity above 0, or none for the default.")
        step = SymbolRules.from_filters(self.instance.filters).quantity_step
        if floor_to_step(quantity, step) != quantity:
            raise forms.ValidationError(f"Give a multiple of {plain(step)}, the quantity step.")
        return quantity


@admin.register(Symbol)
class SymbolAdmin(PlainDecimalAdmin[Symbol]):
    form = SymbolForm
    list_display = (
        "name", "followed", "status", "base_asset", "quote_asset", "order_quantity", "updated_at",
    )  # fmt: skip
    list_filter = ("followed", "status", "quote_asset")
    search_fields = ("name", "base_asset", "quote_asset")
    fields = (
        "name", "base_asset", "quote_asset", "status", "followed", "order_quantity", "filters",
        "updated_at",
    )  # fmt: skip
    readonly_fields = (
        "name", "base_asset", "quote_asset", "status", "followed", "filters", "updated_at",
    )  # fmt: skip
    actions = ("follow", "unfollow")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # symbols are the exchange's; POST /symbols/{symbol} asks it for one

    def has_delete_permission(self, request: HttpRequest, obj: Symbol | None = None) -> bool:
        return False  # candles, orders and trades hang on it

    @admin.action(description="Follow the selected symbols", permissions=["change"])
    def follow(self, request: HttpRequest, symbols: QuerySet[Symbol]) -> None:
        for symbol in symbols:
            try:
                services.follow(symbol.name)
            except (services.UnknownSymbol, ExchangeUnreachable) as error:
                self.message_user(request, f"{symbol}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{symbol} is followed", messages.SUCCESS)

    @admin.action(description="Stop following the selected symbols", permissions=["change"])
    def unfollow(self, request: HttpRequest, symbols: QuerySet[Symbol]) -> None:
        held = set(symbols.filter(positions__status="open").values_list("name", flat=True))
        for symbol in symbols:
            if symbol.name in held:
                text = f"{symbol} is held: its stop loss would no longer be watched; sell first"
                self.message_user(request, text, messages.ERROR)
            else:
                services.unfollow(symbol.name)
                self.message_user(request, f"{symbol} is no longer followed", messages.SUCCESS)
