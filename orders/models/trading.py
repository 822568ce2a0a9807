"""Orders, the trades that filled them, and the positions those made."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q

from foundation.fields import ExactDecimalField
from market.models import Symbol
from market.ticks import Side
from orders.core.status import AT_EXCHANGE, LIVE, OrderStatus

SIDES = [(side.value, side.value) for side in Side]
STATUSES = [(status.value, status.value) for status in OrderStatus]
# A stop that waits at the exchange, as far as we know: it has moved nothing.
RESTING = Q(kind="STOP_LOSS", status=OrderStatus.NEW, executed_quantity=0)


class PositionQuerySet(models.QuerySet["Position"]):
    def open(self) -> "PositionQuerySet":
        return self.filter(status="open")

    def unarchived(self) -> "PositionQuerySet":
        """Open and closed ones: what no reset of the exchange has erased."""
        return self.exclude(status="archived")

    def of(self, strategy: str, symbol: Symbol | int) -> "PositionQuerySet":
        return self.filter(strategy=strategy, symbol=symbol)

    def unsold(self) -> "PositionQuerySet":
        """Those that no market order is selling; their protective stop is no matter."""
        return self.filter(~Exists(_live_sales().filter(kind="MARKET")))

    def unprotected(self) -> "PositionQuerySet":
        """Open ones with a stop price that neither a protective stop nor a sale is for."""
        lacking = self.open().filter(~Exists(_live_sales()), stop_price__isnull=False)
        return lacking.filter(symbol__status="TRADING")


class Position(models.Model):
    """The position of one strategy in one symbol, made by its trades.

    `quantity` is in base asset and includes dust taken over from the position before; `cost`
    is what that quantity cost in quote asset, fees included. A closed position keeps what was
    too small to sell until the next one takes it over. `stop_price` sells at or below it.
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
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = PositionQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [models.Index(fields=["opened_at", "id"])]
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "symbol"],
                condition=Q(status="open"),
                name="one_open_position_per_strategy_and_symbol",
            )
        ]

    def __str__(self) -> str:
        return f"{self.strategy} {self.symbol} {self.status}"


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


def _live_sales() -> OrderQuerySet:
    """For each position of a query: what sells it and has not ended."""
    orders = Order.objects.filter(strategy=OuterRef("strategy"), symbol=OuterRef("symbol"))
    return orders.sales().live()
