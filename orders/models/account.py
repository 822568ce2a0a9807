"""The account as the exchange shows it, the days' results, and the trading halt."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from foundation.fields import ExactDecimalField
from market.models import Symbol
from orders.models.trading import SIDES, STATUSES


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
    """The time until which a symbol's orders were compared with the exchange's own lists."""

    symbol = models.OneToOneField(Symbol, on_delete=models.CASCADE, related_name="orders_check")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.symbol} until {self.until:%Y-%m-%d %H:%M:%S}"


class AlarmKind(models.TextChoices):
    DIFFERENCE = "difference"
    NOT_TRADING = "not_trading"  # the symbol, of which something is held
    ORDER_STATUS = "order_status"  # the exchange gives an order of ours one we don't know


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def unsettled(self) -> "AlarmQuerySet":
        """Differences that are not settled, raised as alarms or not yet."""
        return self.filter(settled_at=None)

    def of(self, symbol: Symbol, kind: str) -> "AlarmQuerySet":
        return self.filter(symbol=symbol, kind=kind)

    def differences(self) -> "AlarmQuerySet":
        return self.filter(kind="difference")

    def raised(self) -> "AlarmQuerySet":
        """Alarms that stand."""
        return self.unsettled().filter(raised_at__isnull=False)


class Alarm(models.Model):
    """Something about one symbol that a person should know, until it is over.

    A `difference` between the account and our books, seen `since`, is `raised_at` only once it has
    lasted: fills under way explain much. While it is raised and not settled, nothing is bought of
    that symbol. It settles by itself once both agree, or is accepted by somebody who knows that
    the account is right. Alarms of other kinds are raised at once, and settle by themselves.
    """

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="alarms")
    kind = models.CharField(max_length=12, choices=AlarmKind.choices, default=AlarmKind.DIFFERENCE)
    text = models.CharField(max_length=300)
    difference = ExactDecimalField(default=0)  # base asset, what the account holds beyond our books
    since = models.DateTimeField()
    raised_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering = ["-since", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "kind"],
                condition=Q(settled_at=None),
                name="one_unsettled_alarm_of_a_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol}: {self.text}"


class ForeignOrder(models.Model):
    """An order on our account that is none of ours: shown, and never touched.

    `net_quantity` is what its fills since the epoch's start added to what the account holds of the
    base asset, fees in that asset included.
    """

    symbol = models.CharField(max_length=40)  # possibly one that we don't follow
    exchange_order_id = models.BigIntegerField()
    client_order_id = models.CharField(max_length=40)
    side = models.CharField(max_length=4, choices=SIDES)
    quantity = ExactDecimalField()  # base asset
    executed_quantity = ExactDecimalField()
    net_quantity = ExactDecimalField(default=0)
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
    """The free balance of an asset, as the exchange last reported it.

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
    """Profit and loss of one day (UTC) so far, in one quote asset, of a strategy or ("") of all.

    `pnl` is realised and unrealised, of the positions that were open at any time of the day;
    `peak` its highest, `drawdown` the deepest it came below a peak before it.
    """

    day = models.DateField()
    strategy = models.CharField(max_length=20, blank=True)
    quote_asset = models.CharField(max_length=20)
    pnl = ExactDecimalField(default=0)
    peak = ExactDecimalField(default=0)
    drawdown = ExactDecimalField(default=0)
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
