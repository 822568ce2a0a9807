"""Closed candles."""

from django.db import models

from market.fields import ExactDecimalField
from market.models import Symbol


class Verdict(models.TextChoices):
    """How a candle compares with the exchange's own."""

    EXACT = "exact"
    REPAIRED = "repaired"
    UNVERIFIED = "unverified"


class Candle(models.Model):
    """One closed candle. Its key is symbol, interval and open time; it never changes.

    Prices are in quote asset, `volume` and `taker_volume` in base asset, the quote volumes in
    quote asset; `taker` counts what takers bought. A candle folded from ticks names the first
    and last of them; one taken from the exchange's history, or an empty one, has none.
    """

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="candles")
    interval = models.CharField(max_length=3)
    open_time = models.DateTimeField()
    open = ExactDecimalField()
    high = ExactDecimalField()
    low = ExactDecimalField()
    close = ExactDecimalField()
    volume = ExactDecimalField()
    quote_volume = ExactDecimalField()
    trades = models.PositiveIntegerField()
    taker_volume = ExactDecimalField()
    taker_quote_volume = ExactDecimalField()
    first_tick_id = models.BigIntegerField(null=True)
    last_tick_id = models.BigIntegerField(null=True)
    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.UNVERIFIED)

    class Meta:
        ordering = ["-open_time"]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "interval", "open_time"], name="one_candle_per_open_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval} {self.open_time:%Y-%m-%d %H:%M:%S}"
