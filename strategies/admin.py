"""Strategies and signals in the admin."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from foundation.admin import PlainDecimalAdmin, ReadOnlyAdmin
from market.admin import SymbolFilter
from strategies.models import Signal, Strategy, StrategyState
from strategies.parameters import wrong_parameters
from strategies.services.variants import STOP_LOSS_SETTINGS


class StrategyForm(forms.ModelForm[Strategy]):
    class Meta:
        model = Strategy
        fields = ("name", "enabled", "interval", "sma_period", "ema_period", "stop_loss", "symbols")
        help_texts = {
            "name": "Orders and positions are kept under it, so it stays.",
            "interval": "Empty for the first of the setting INTERVALS.",
            "sma_period": "Candles.",
            "ema_period": "Candles.",
            "stop_loss": "Fraction of the entry price that may be lost: 0.15 sells at 85 % of it.",
            "symbols": "Trades these alone; none to trade every followed symbol.",
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, text in wrong_parameters(cleaned, settings.INTERVALS).items():
            self.add_error(name, text)
        return cleaned


@admin.register(Strategy)
class StrategyAdmin(PlainDecimalAdmin[Strategy]):
    form = StrategyForm
    list_display = ("name", "enabled", "interval", "sma_period", "ema_period", "stop_loss")
    list_filter = ("enabled", "interval")
    search_fields = ("name",)
    autocomplete_fields = ("symbols",)
    actions = ("enable", "disable")

    def get_readonly_fields(self, request: HttpRequest, obj: Strategy | None = None) -> Any:
        return () if obj is None else ("name",)

    def save_model(self, request: HttpRequest, obj: Strategy, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.ema_period >= obj.sma_period:
            text = "The EMA is not the faster of the two: it will cross late, or never."
            self.message_user(request, text, messages.WARNING)
        for variable in governing(obj.name) if set(form.changed_data) else ():
            text = f"{variable} is set in the environment and governs again at the next start."
            self.message_user(request, text, messages.WARNING)

    @admin.action(description="Enable the selected strategies", permissions=["change"])
    def enable(self, request: HttpRequest, strategies: QuerySet[Strategy]) -> None:
        self.message_user(request, f"{strategies.update(enabled=True)} enabled")

    @admin.action(description="Disable the selected strategies", permissions=["change"])
    def disable(self, request: HttpRequest, strategies: QuerySet[Strategy]) -> None:
        """Positions stay, and so do their stops."""
        self.message_user(request, f"{strategies.update(enabled=False)} disabled")


def governing(name: str) -> list[str]:
    """The variables set in the environment that govern the strategy of that name."""
    if name not in STOP_LOSS_SETTINGS:
        return []
    variables = {"SMA_PERIOD", "EMA_PERIOD", STOP_LOSS_SETTINGS[name]}
    return sorted(variables & settings.SET_STRATEGY_PARAMETERS)


@admin.register(StrategyState)
class StrategyStateAdmin(ReadOnlyAdmin[StrategyState]):
    list_display = ("strategy", "symbol", "interval", "open_time", "sma", "ema", "note")
    list_filter = ("strategy", SymbolFilter, "interval")
    list_select_related = ("strategy", "symbol")
    search_fields = ("=symbol__name", "=strategy__name", "note")


@admin.register(Signal)
class SignalAdmin(ReadOnlyAdmin[Signal]):
    list_display = (
        "created_at", "strategy", "symbol", "interval", "side", "reason", "price", "sma", "ema",
        "order", "outcome",
    )  # fmt: skip
    list_filter = ("side", "reason", "strategy", SymbolFilter, "created_at")
    list_select_related = ("strategy", "symbol", "order")
    search_fields = ("key", "order__client_order_id", "=symbol__name", "=strategy__name", "outcome")
    date_hierarchy = "created_at"
