"""Models of strategies, of their offset in each series, and of their signals."""

from django.core.validators import RegexValidator
from django.db import models

from candles.intervals import INTERVALS_MS
from foundation.fields import ExactDecimalField
from foundation.times import to_ms
from market.models import Symbol
from market.ticks import Side
from orders.models import Order, Position
from strategies.rules import RULES, Parameters, Rule

SIDES = [(side.value, side.value) for side in Side]
Key = tuple[int, int, str]  # strategy, symbol, interval: one strategy on one series


class Strategy(models.Model):
    """A rule with its parameters and a stop loss.

    Trades every followed symbol unless `symbols` names some, on `interval` or, where that is
    empty, on the first of the setting INTERVALS. `stop_loss` is the fraction of the entry
    price that may be lost: 0.15 sells at 85 % of it.
    """

    kind = "sma_ema"  # the only kind of rule so far

    name = models.CharField(
        max_length=20,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_]+$", "Use letters, digits and _.")],
    )
    enabled = models.BooleanField(default=True)
    interval = models.CharField(
        max_length=3, blank=True, choices=[(name, name) for name in INTERVALS_MS]
    )
    sma_period = models.PositiveIntegerField()
    ema_period = models.PositiveIntegerField()
    stop_loss = ExactDecimalField()
    symbols = models.ManyToManyField(Symbol, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "strategies"

    def __str__(self) -> str:
        return self.name

    @property
    def rule(self) -> Rule:
        return RULES[self.kind]

    @property
    def parameters(self) -> Parameters:
        return Parameters(self.sma_period, self.ema_period)


class StrategyStateQuerySet(models.QuerySet["StrategyState"]):
    def offsets(self) -> dict[Key, int]:
        """The open time of the candle that each strategy evaluated last on each series, in ms."""
        rows = self.values_list("strategy_id", "symbol_id", "interval", "open_time")
        return {(strategy, symbol, interval): to_ms(at) for strategy, symbol, interval, at in rows}


class StrategyState(models.Model):
    """The last candle that a strategy evaluated on a series, and what it made of it.

    It is also the strategy's offset in the series: a sweep evaluates what lies behind it.
    """

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="states")
    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE)
    interval = models.CharField(max_length=3)
    open_time = models.DateTimeField()
    sma = ExactDecimalField(null=True)
    ema = ExactDecimalField(null=True)
    note = models.CharField(max_length=200)  # why it did, or did nothing

    objects = StrategyStateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "symbol", "interval"], name="one_state_per_series"
            )
        ]

    def __str__(self) -> str:
        return f"{self.strategy} {self.symbol} {self.interval}"


class SignalReason(models.TextChoices):
    CROSSOVER = "crossover"
    STOP_LOSS = "stop_loss"
    HALT = "halt"


class Signal(models.Model):
    """A strategy's BUY or SELL, with the values that led to it.

    `key` is its natural key: strategy, symbol, and the candle or the position it answers to.
    `order` is what became of it; a signal without an order says why in `outcome`.
    """

    key = models.CharField(max_length=100, unique=True)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="signals")
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT)
    interval = models.CharField(max_length=3)
    reason = models.CharField(max_length=10, choices=SignalReason.choices)
    side = models.CharField(max_length=4, choices=SIDES)
    candle_open_time = models.DateTimeField(null=True)  # none where a stop or a halt sells
    candle_revision = models.PositiveIntegerField(null=True)  # the one that was evaluated
    price = ExactDecimalField()  # the candle's close, or the tick that hit the stop
    sma = ExactDecimalField(null=True)
    ema = ExactDecimalField(null=True)
    previous_sma = ExactDecimalField(null=True)
    previous_ema = ExactDecimalField(null=True)
    position = models.ForeignKey(Position, null=True, on_delete=models.PROTECT)  # the one stopped
    order = models.OneToOneField(Order, null=True, on_delete=models.PROTECT)
    outcome = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["created_at", "id"])]

    def __str__(self) -> str:
        return f"{self.strategy} {self.side} {self.symbol} ({self.reason})"
