"""Closed candles."""

from django.db import models

from candles.ohlcv import Cause
from foundation.fields import ExactDecimalField
from market.models import Symbol


class Verdict(models.TextChoices):
    """How a candle compares with the exchange's own."""

    EXACT = "exact"
    REPAIRED = "repaired"
    UNVERIFIED = "unverified"


class Candle(models.Model):
    """One closed candle. Its key is symbol, interval and open time.

    Prices are in quote asset, `volume` and `taker_volume` in base asset, the quote volumes in
    quote asset; `taker` counts what takers bought. Only prices and volume are known of a candle
    that came from an archive without the rest. A candle folded from ticks names the first and
    last of them; one taken from the exchange's history, or an empty one, has none.

    A candle changes only by becoming its next `revision`; what it was before stands as a
    `CandleRevision`. `differed` says in which fields the exchange's own kline differs, or, once
    repaired, differed: by name, [ours, theirs] in plain digits.
    """

    cause: Cause | None = None  # known of a candle that has just closed, and not kept

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="candles")
    interval = models.CharField(max_length=3)
    open_time = models.DateTimeField()
    open = ExactDecimalField()
    high = ExactDecimalField()
    low = ExactDecimalField()
    close = ExactDecimalField()
    volume = ExactDecimalField()
    quote_volume = ExactDecimalField(null=True)
    trades = models.PositiveIntegerField(null=True)
    taker_volume = ExactDecimalField(null=True)
    taker_quote_volume = ExactDecimalField(null=True)
    first_tick_id = models.BigIntegerField(null=True)
    last_tick_id = models.BigIntegerField(null=True)
    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.UNVERIFIED)
    revision = models.PositiveIntegerField(default=1)
    differed = models.JSONField(default=dict, blank=True)
    differed_since = models.DateTimeField(null=True)  # while that is not settled

    class Meta:
        ordering = ["-open_time"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "interval", "open_time"], name="one_candle_per_open_time"
            )
        ]
        indexes = [
            models.Index(
                fields=["open_time"],
                condition=models.Q(verdict=Verdict.UNVERIFIED),
                name="candles_to_settle",
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval} {self.open_time:%Y-%m-%d %H:%M:%S}"

    @property
    def is_adopted(self) -> bool:
        """Whether its numbers were taken over from a kline that differed."""
        return bool(self.differed) and self.differed_since is None


class CandleRevision(models.Model):
    """What a candle was before it was revised, and why it was."""

    class Cause(models.TextChoices):
        LATE_TICK = "late_tick"  # a tick of its span came after it had closed
        REPAIR = "repair"  # the exchange's own kline differs

    candle = models.ForeignKey(Candle, on_delete=models.CASCADE, related_name="revisions")
    revision = models.PositiveIntegerField()  # the one that these values were
    values = models.JSONField()  # by field name, in plain digits
    cause = models.CharField(max_length=10, choices=Cause.choices)
    at = models.DateTimeField()

    class Meta:
        ordering = ["candle", "revision"]
        constraints = [
            models.UniqueConstraint(fields=["candle", "revision"], name="one_row_per_revision")
        ]

    def __str__(self) -> str:
        return f"{self.candle} revision {self.revision}"
