"""Orders, trades, positions and halts in the admin: all of them facts."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from foundation.admin import ReadOnlyAdmin, display_column, signed_in_user
from foundation.decimals import plain
from market.admin import SymbolFilter
from orders import services
from orders.models import (
    Adjustment,
    Alarm,
    Balance,
    DayResult,
    Epoch,
    ForeignOrder,
    Halt,
    Order,
    OrderChange,
    Position,
    Trade,
)


class FactInline(admin.TabularInline[Any, Any]):
    extra = 0
    can_delete = False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [display_column(self.model, name) for name in self.fields or ()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ChangeInline(FactInline):
    model = OrderChange
    fields = ("at", "status", "detail")


class TradeInline(FactInline):
    model = Trade
    fields = (
        "time", "side", "price", "quantity", "quote_quantity", "commission", "commission_asset",
        "trade_id",
    )  # fmt: skip
    show_change_link = True


class AdjustmentInline(FactInline):
    model = Adjustment
    fields = ("at", "kind", "quantity", "cost", "kept", "reason", "by")


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin[Order]):
    list_display = (
        "client_order_id", "created_at", "strategy", "symbol", "side", "kind", "quantity", "status",
        "executed_quantity", "executed_quote", "reason",
    )  # fmt: skip
    list_filter = ("status", "side", "kind", "strategy", SymbolFilter, "created_at")
    list_select_related = ("symbol",)
    search_fields = ("client_order_id", "=exchange_order_id", "=symbol__name", "=strategy")
    date_hierarchy = "created_at"
    inlines = (ChangeInline, TradeInline)


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin[Trade]):
    list_display = (
        "time", "strategy", "symbol", "side", "price", "quantity", "quote_quantity", "commission",
        "commission_asset", "order", "trade_id",
    )  # fmt: skip
    list_filter = ("side", "strategy", SymbolFilter, "time")
    list_select_related = ("symbol", "order")
    search_fields = ("order__client_order_id", "=trade_id", "=symbol__name", "=strategy")
    date_hierarchy = "time"


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin[Position]):
    list_display = (
        "opened_at", "strategy", "symbol", "status", "quantity", "entry_price", "stop_price",
        "cost", "realised", "fees", "exit_reason", "closed_at",
    )  # fmt: skip
    list_filter = ("status", "exit_reason", "strategy", SymbolFilter, "opened_at")
    list_select_related = ("symbol",)
    search_fields = ("=symbol__name", "=strategy")
    date_hierarchy = "opened_at"
    inlines = (TradeInline, AdjustmentInline)
    actions = ("write_off",)

    def has_write_off_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.add_adjustment"))

    @admin.action(description="Write off: give up, sell nothing", permissions=["write_off"])
    def write_off(self, request: HttpRequest, positions: QuerySet[Position]) -> HttpResponse | None:
        """Ask for the reason first; each position is given up whole, or not at all."""
        reason = request.POST.get("reason", "").replace("\0", "").strip()
        if not reason or "sure" not in request.POST:
            context = self.admin_site.each_context(request)
            shown = Position.objects.open().filter(pk__in=positions).select_related("symbol")
            context |= {"title": "Write off", "opts": self.opts, "positions": shown}
            return TemplateResponse(request, "admin/orders/write_off.html", context)
        for position in positions.select_related("symbol"):
            self._write_off(request, position, reason[:200])
        return None

    def _write_off(self, request: HttpRequest, position: Position, reason: str) -> None:
        by = signed_in_user(request)
        try:
            services.write_off(position.pk, None, reason, by, timezone.now())
        except services.NotWrittenOff as error:
            self.message_user(request, f"Not written off: {error}", messages.WARNING)
        else:
            self.message_user(request, f"Written off: {position}", messages.SUCCESS)


@admin.register(Adjustment)
class AdjustmentAdmin(ReadOnlyAdmin[Adjustment]):
    """Base asset that left positions without a trade of theirs: fees, and what was written off."""

    list_display = ("at", "position", "kind", "quantity", "cost", "kept", "reason", "by")
    list_filter = ("kind", "at")
    list_select_related = ("position__symbol", "by")
    search_fields = ("=position__symbol__name", "=position__strategy", "reason")
    date_hierarchy = "at"


@admin.register(Halt)
class HaltAdmin(ReadOnlyAdmin[Halt]):
    """The audit of the trading halt. It is set on the dashboard or by POST /halt."""

    list_display = ("at", "level", "reason", "by")
    list_filter = ("level", "at")
    list_select_related = ("by",)
    search_fields = ("reason", "by__username")
    date_hierarchy = "at"


@admin.register(ForeignOrder)
class ForeignOrderAdmin(ReadOnlyAdmin[ForeignOrder]):
    """Orders on the account that are none of ours."""

    list_display = (
        "placed_at", "symbol", "side", "quantity", "executed_quantity", "status",
        "client_order_id", "exchange_order_id", "seen_at",
    )  # fmt: skip
    list_filter = ("status", "side", "placed_at")
    search_fields = ("client_order_id", "=exchange_order_id", "=symbol")
    date_hierarchy = "placed_at"


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin[Alarm]):
    """Alarms: each settles itself; a difference of account and books may be accepted too."""

    list_display = ("since", "symbol", "kind", "text", "raised_at", "settled_at", "accepted_by")
    list_filter = ("kind", SymbolFilter, "since")
    list_select_related = ("symbol", "accepted_by")
    search_fields = ("=symbol__name", "text")
    date_hierarchy = "since"
    actions = ("accept",)

    def has_accept_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("orders.change_alarm"))

    @admin.action(description="Accept the account balance", permissions=["accept"])
    def accept(self, request: HttpRequest, alarms: QuerySet[Alarm]) -> HttpResponse | None:
        """Ask first, and then accept no other difference than the one that was shown."""
        raised = Alarm.objects.raised().differences().filter(pk__in=alarms).select_related("symbol")
        if "sure" not in request.POST and raised:
            shown = [(alarm, plain(alarm.difference)) for alarm in raised]
            context = self.admin_site.each_context(request)
            context |= {"title": "Accept", "opts": self.opts, "alarms": shown}
            return TemplateResponse(request, "admin/orders/accept_alarms.html", context)
        self._accept(request, list(alarms))
        return None

    def _accept(self, request: HttpRequest, alarms: list[Alarm]) -> None:
        by, accepted = signed_in_user(request), list[Alarm]()
        for alarm in alarms:
            shown = request.POST.get(f"difference-{alarm.pk}")
            if alarm not in accepted and shown == plain(alarm.difference):
                accepted += services.accept_alarm(alarm.pk, alarm.difference, by, timezone.now())
        for alarm in accepted:
            self.message_user(request, f"Accepted: {alarm}", messages.SUCCESS)
        for alarm in alarms:
            if alarm not in accepted:
                text = f"{alarm.symbol}: the alarm has changed since it was shown"
                self.message_user(request, text, messages.WARNING)


@admin.register(Epoch)
class EpochAdmin(ReadOnlyAdmin[Epoch]):
    """The account from one reset of the exchange to the next."""

    list_display = ("started_at", "reason")
    date_hierarchy = "started_at"


@admin.register(Balance)
class BalanceAdmin(ReadOnlyAdmin[Balance]):
    list_display = ("asset", "free", "read_at")


@admin.register(DayResult)
class DayResultAdmin(ReadOnlyAdmin[DayResult]):
    """Results of days, which MAX_DAILY_LOSS limits; nothing stands here while it is off."""

    list_display = ("day", "strategy", "quote_asset", "pnl", "peak", "drawdown", "at")
    list_filter = ("strategy", "quote_asset", "day")
    date_hierarchy = "day"
