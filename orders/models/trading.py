"""Orders, the trades that filled them, and the positions those made."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from foundation.fields import ExactDecimalField
from market.models import Symbol
from market.ticks import Side
from orders.core.exits import ExitReason
from orders.core.status import AT_EXCHANGE, LIVE, OrderStatus
from orders.models.performance import EVERYTHING, ResultSums

SIDES = [(side.value, side.value) for side in Side]
STATUSES = [(status.value, status.value) for status in OrderStatus]
EXIT_REASONS = [(reason.value, reason.value) for reason in ExitReason]
# A stop that waits at the exchange, as far as we know: it has moved nothing.
RESTING = Q(kind="STOP_LOSS", status=OrderStatus.NEW, executed_quantity=0)


# Of a position: with one of these, its result changes.
RESULT_FIELDS = frozenset({"realised", "fees", "closed_at"})


class PositionQuerySet(models.QuerySet["Position"]):
    def open(self) -> "PositionQuerySet":
        return self.filter(status="open")

    def unarchived(self) -> "PositionQuerySet":
        """Open and closed ones: what no reset of the exchange has erased."""
        return self.exclude(status="archived")

    def of(self, strategy: str, symbol: Symbol | int) -> "PositionQuerySet":
        return self.filter(strategy=strategy, symbol=symbol)

    def exiting(self) -> "PositionQuerySet":
        """Open ones that are to be sold."""
        return self.open().exclude(exit_reason="")

    def watched(self) -> "PositionQuerySet":
        """Open ones that their stop has still to guard. A halt's sale may be called off."""
        return self.open().filter(exit_reason__in=("", ExitReason.HALT))

    def holding(self) -> "PositionQuerySet":
        """Open ones, and closed ones with dust that the next one would take over."""
        return self.unarchived().filter(~Q(quantity=0) | Q(status="open"))

    def ids(self) -> list[int]:
        return list(self.values_list("pk", flat=True))

    def unprotected(self) -> "PositionQuerySet":
        """Open ones with a stop price that neither a protective stop nor a sale is for."""
        kept = self.open().filter(exit_reason="", symbol__status="TRADING")
        return kept.filter(~Exists(_live_sales()), stop_price__isnull=False)


class Position(models.Model):
    """The position of one strategy in one symbol, made by its trades.

    `quantity` is in base asset and includes dust taken over from the position before; `cost`
    is what that quantity cost in quote asset, fees included. A closed position keeps what was
    too small to sell until the next one takes it over. `stop_price` sells at or below it.

    With an `exit_reason` it is decided that the position is to be sold: sales are tried, one after
    the other, until nothing is left that can be sold. No entry comes before that.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"
        ARCHIVED = "archived"  # erased by the exchange's reset: neither held nor sold

    strategy = models.CharField(max_length=20)  # its name: orders know no strategy
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="positions")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    quantity = ExactDecimalField(default=0)
    cost = ExactDecimalField(default=0)
    entry_price = ExactDecimalField()  # average of the buys, without fees
    stop_price = ExactDecimalField(null=True)
    realised = ExactDecimalField(default=0)  # quote asset, after fees
    fees = ExactDecimalField(default=0)  # quote asset, at each fill's price
    exit_reason = models.CharField(max_length=10, blank=True, choices=EXIT_REASONS)
    exit_decided_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    summed = models.BooleanField(default=False)  # its result is in the sums (ResultSums)

    objects = PositionQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [
            models.Index(fields=["opened_at", "id"]),
            models.Index(
                fields=["closed_at", "id"], condition=Q(summed=False), name="unsummed_by_closing"
            ),
            models.Index(fields=["closed_at", "id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "symbol"],
                condition=Q(status="open"),
                name="one_open_position_per_strategy_and_symbol",
            )
        ]

    def __str__(self) -> str:
        return f"{self.strategy} {self.symbol} {self.status}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save it; where its result was in the sums already, those have to be made anew."""
        saved = kwargs.get("update_fields")
        if self.summed and (saved is None or not RESULT_FIELDS.isdisjoint(saved)):
            ResultSums.objects.filter(quote_asset=EVERYTHING).update(stale=True)
        super().save(*args, **kwargs)

    def exit_reason_with(self, decided: ExitReason | None) -> ExitReason:
        """The reason to sell it, now that this is `decided` too: a halt's gives way."""
        weak = self.exit_reason in ("", ExitReason.HALT)
        return decided if decided is not None and weak else ExitReason(self.exit_reason)


class OrderQuerySet(models.QuerySet["Order"]):
    def of(self, strategy: str, symbol: Symbol | int) -> "OrderQuerySet":
        return self.filter(strategy=strategy, symbol=symbol)

    def live(self) -> "OrderQuerySet":
        """Those that have not ended."""
        return self.filter(status__in=LIVE)

    def unsent(self) -> "OrderQuerySet":
        """Those that wait to be sent."""
        return self.filter(status=OrderStatus.PENDING)

    def unanswered(self, submitted_before: datetime) -> "OrderQuerySet":
        """Those whose end is not known although an answer was due, oldest first; a resting stop
        owes none.
        """
        claimed = Q(
            status__in=(OrderStatus.SUBMITTED, *AT_EXCHANGE), submitted_at__lt=submitted_before
        )
        waiting = self.filter(Q(status=OrderStatus.UNKNOWN) | claimed)
        return waiting.not_resting().order_by("pk")

    def resting(self) -> "OrderQuerySet":
        """Stops that wait at the exchange, as far as we know: they have moved nothing."""
        return self.filter(RESTING)

    def not_resting(self) -> "OrderQuerySet":
        return self.exclude(RESTING)

    def stops(self) -> "OrderQuerySet":
        """Protective stops."""
        return self.filter(kind="STOP_LOSS")

    def sales(self) -> "OrderQuerySet":
        """Orders that sell, protective stops among them."""
        return self.filter(side=Side.SELL)

    def sales_since(self, exit_decided_at: datetime) -> "OrderQuerySet":
        """Market orders of an exit, newest first."""
        sales = self.sales().filter(kind="MARKET", created_at__gte=exit_decided_at)
        return sales.order_by("-created_at", "-pk")

    def ids(self) -> list[int]:
        return list(self.values_list("pk", flat=True))


class Order(models.Model):
    """A market order, or the stop that rests at the exchange for a position: then `stop_price`
    (quote asset) makes it a market order. Written down before it is sent, sent at most once.

    `client_order_id` is its natural key and what the exchange knows it by. `quantity` is in
    base asset. `reference_price` is the price that led to it. It is not sent after `expires_at`.
    """

    class Kind(models.TextChoices):
        MARKET = "MARKET"
        STOP_LOSS = "STOP_LOSS"

    client_order_id = models.CharField(max_length=36, unique=True)
    strategy = models.CharField(max_length=20)
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="orders")
    side = models.CharField(max_length=4, choices=SIDES)
    kind = models.CharField(max_length=9, choices=Kind.choices, default=Kind.MARKET)
    quantity = ExactDecimalField()
    stop_price = ExactDecimalField(null=True)
    reference_price = ExactDecimalField()
    stop_loss = ExactDecimalField(null=True)  # fraction below the entry, for a BUY
    status = models.CharField(max_length=16, choices=STATUSES, default=OrderStatus.PENDING)
    reason = models.CharField(max_length=300, blank=True)  # of a denial, rejection or expiry
    exchange_order_id = models.BigIntegerField(null=True)
    executed_quantity = ExactDecimalField(default=0)
    executed_quote = ExactDecimalField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    timeline = models.JSONField(default=dict)  # of orders.core.timeline, as far as it is known

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["status"]),
            models.Index(fields=["strategy", "symbol", "status"]),
            models.Index(fields=["created_at", "id"]),
            models.Index(
                fields=["strategy", "created_at"],
                condition=Q(side="BUY") & ~Q(status="DENIED"),
                name="entries_by_strategy",
            ),
        ]

    def __str__(self) -> str:
        return self.client_order_id


class OrderChange(models.Model):
    """One step in an order's life."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="changes")
    status = models.CharField(max_length=16, choices=STATUSES)
    detail = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.order} {self.status}"


class TradeQuerySet(models.QuerySet["Trade"]):
    def unlogged(self) -> "TradeQuerySet":
        """Those that do not stand in the trade log yet."""
        return self.filter(logged=False)


class Trade(models.Model):
    """One fill of ours. Its key is its order and the exchange's trade id."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="trades")
    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="trades")
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="trades")
    strategy = models.CharField(max_length=20)
    trade_id = models.BigIntegerField()
    side = models.CharField(max_length=4, choices=SIDES)
    price = ExactDecimalField()
    quantity = ExactDecimalField()
    quote_quantity = ExactDecimalField()
    commission = ExactDecimalField()
    commission_asset = models.CharField(max_length=20)
    time = models.DateTimeField()
    logged = models.BooleanField(default=False)  # stands in the trade log

    objects = TradeQuerySet.as_manager()

    class Meta:
        ordering = ["-time", "-id"]
        indexes = [
            models.Index(fields=["time", "id"]),
            models.Index(fields=["id"], condition=Q(logged=False), name="trades_not_yet_logged"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["order", "trade_id"], name="one_trade_per_fill")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.side} {self.trade_id}"


class AdjustmentKind(models.TextChoices):
    FEE = "fee"  # a trade in another symbol paid its fee in this asset
    SPENT = "spent"  # a trade in another symbol was paid in this asset
    FOREIGN = "foreign"  # an order that is none of ours sold it
    WRITE_OFF = "write_off"  # somebody of the staff gave it up


class AdjustmentQuerySet(models.QuerySet["Adjustment"]):
    def fees(self) -> "AdjustmentQuerySet":
        """Those by which positions paid fees."""
        return self.filter(kind="fee")


class Adjustment(models.Model):
    """Base asset that left a position without a trade of its own, and why.

    `quantity` is in base asset; `cost` (quote asset), what it had cost the position, is a loss of
    that position. `kept` is what of it the account goes on holding outside of positions: it pays
    what drew on it, a fee of `trade` for one.
    """

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="adjustments")
    kind = models.CharField(max_length=9, choices=AdjustmentKind.choices)
    quantity = ExactDecimalField()
    cost = ExactDecimalField()
    kept = ExactDecimalField()
    trade = models.ForeignKey(
        Trade, null=True, on_delete=models.PROTECT, related_name="adjustments"
    )
    reason = models.CharField(max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    at = models.DateTimeField()

    objects = AdjustmentQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["at", "id"])]

    def __str__(self) -> str:
        return f"{self.position}: {self.kind}"


def _live_sales() -> OrderQuerySet:
    """For each position of a query: what sells it and has not ended."""
    orders = Order.objects.filter(strategy=OuterRef("strategy"), symbol=OuterRef("symbol"))
    return orders.sales().live()
