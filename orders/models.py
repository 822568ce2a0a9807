"""Orders, the trades that filled them, and the positions those made."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from foundation.fields import ExactDecimalField
from market.models import Symbol
from market.ticks import Side
from orders.core.status import OrderStatus

SIDES = [(side.value, side.value) for side in Side]
STATUSES = [(status.value, status.value) for status in OrderStatus]


class Position(models.Model):
    """What one strategy holds of one symbol because of its trades.

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


class Order(models.Model):
    """A market order, or the stop that rests at the exchange for a position: then `stop_price`
    (quote asset) makes it a market order. Written down before it is sent, sent at most once.

    `client_order_id` is its natural key and what the exchange knows it by. `quantity` is in
    base asset. `price_seen` is the price that led to it. Sending after `expires_at` is refused.
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
    price_seen = ExactDecimalField()
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


class Epoch(models.Model):
    """The account from one reset of the exchange to the next; the newest row governs.

    `balances` is what it held of each asset beyond our positions as the epoch began, as text; with
    it, what was accepted since.
    """

    started_at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    balances = models.JSONField(default=dict)

    class Meta:
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"since {self.started_at:%Y-%m-%d %H:%M:%S}"


class OrdersCheck(models.Model):
    """Until when a symbol's orders were held against the exchange's own lists."""

    symbol = models.OneToOneField(Symbol, on_delete=models.CASCADE, related_name="orders_check")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.symbol} until {self.until:%Y-%m-%d %H:%M:%S}"


class Alarm(models.Model):
    """What the account and our books disagree about, in one symbol.

    Seen `since`, it is `raised_at` only once it has lasted: fills under way explain much. While
    it is raised and not settled, nothing is bought of that symbol. It settles by itself once both
    agree, or is accepted by somebody who knows that the account is right.
    """

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="alarms")
    text = models.CharField(max_length=300)
    difference = ExactDecimalField(default=0)  # base asset, what the account holds beyond our books
    since = models.DateTimeField()
    raised_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["-since", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol"],
                condition=Q(settled_at=None),
                name="one_unsettled_alarm_per_symbol",
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol}: {self.text}"


class ForeignOrder(models.Model):
    """An order on our account that is none of ours: shown, and never touched.

    `moved` is what its fills since the epoch's start added to what the account holds of the
    base asset, fees in that asset included.
    """

    symbol = models.CharField(max_length=40)  # possibly one that we don't follow
    exchange_order_id = models.BigIntegerField()
    client_order_id = models.CharField(max_length=40)
    side = models.CharField(max_length=4, choices=SIDES)
    quantity = ExactDecimalField()  # base asset
    executed_quantity = ExactDecimalField()
    moved = ExactDecimalField(default=0)
    status = models.CharField(max_length=16, choices=STATUSES)
    placed_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-placed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "exchange_order_id", "client_order_id"],
                name="one_row_per_foreign_order",
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.exchange_order_id}"


class HaltLevel(models.TextChoices):
    OFF = "off"
    NO_ENTRIES = "no_entries"
    FLATTEN = "flatten"


class Halt(models.Model):
    """A change of the trading halt; the newest row governs, the older ones are the audit."""

    level = models.CharField(max_length=10, choices=HaltLevel.choices)
    reason = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.level} since {self.at:%Y-%m-%d %H:%M:%S}"


class Balance(models.Model):
    """What the account has of an asset to spend, as the exchange last told it.

    What was ordered after `read_at`, the time of the question, may not be taken off it.
    """

    asset = models.CharField(max_length=20, unique=True)
    free = ExactDecimalField()
    read_at = models.DateTimeField()

    class Meta:
        ordering = ["asset"]

    def __str__(self) -> str:
        return self.asset


class DayResult(models.Model):
    """How one day (UTC) went so far, in one quote asset, of a strategy or ("") of all together.

    `pnl` is realised and unrealised, of the positions that were open at any time of the day;
    `peak` its highest, `fall` the deepest it came below a peak before it.
    """

    day = models.DateField()
    strategy = models.CharField(max_length=20, blank=True)
    quote_asset = models.CharField(max_length=20)
    pnl = ExactDecimalField(default=0)
    peak = ExactDecimalField(default=0)
    fall = ExactDecimalField(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-day", "quote_asset", "strategy"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "strategy", "quote_asset"], name="one_result_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.strategy or 'all'} {self.quote_asset}"
