"""Closed candles."""

from collections.abc import Iterable

from django.db import models

from foundation.fields import ExactDecimalField
from foundation.times import to_ms, to_time
from market.models import Symbol


class Verdict(models.TextChoices):
    """Verdict on a candle by the exchange's own."""

    EXACT = "exact"
    REPAIRED = "repaired"
    UNVERIFIED = "unverified"


class CandleQuerySet(models.QuerySet["Candle"]):
    """Candles by series, that is by symbol and interval, by open time and by verdict."""

    def series(
        self, symbol: Symbol | int | str | models.OuterRef, interval: str
    ) -> "CandleQuerySet":
        """The candles of a symbol, given by row, key or name, and one interval."""
        key = "symbol__name" if isinstance(symbol, str) else "symbol"
        return self.filter(**{key: symbol, "interval": interval})

    def opening_in(self, start_ms: int, end_ms: int) -> "CandleQuerySet":
        """Candles that open in `[start_ms, end_ms)`."""
        return self.filter(open_time__gte=to_time(start_ms), open_time__lt=to_time(end_ms))

    def opening_at(self, open_times_ms: Iterable[int]) -> "CandleQuerySet":
        return self.filter(open_time__in=[to_time(open_ms) for open_ms in open_times_ms])

    def unverified(self) -> "CandleQuerySet":
        """Candles without a verdict yet."""
        return self.filter(verdict=Verdict.UNVERIFIED)

    def newest_keys(self, interval: str) -> list[int]:
        """Keys of the newest candle of each followed symbol: one query."""
        series = self.series(models.OuterRef("pk"), interval)
        newest = models.Subquery(series.order_by("-open_time").values("pk")[:1])
        keys = Symbol.objects.followed().annotate(newest=newest).values_list("newest", flat=True)
        return [key for key in keys if key is not None]

    def locked(self) -> "CandleQuerySet":
        """Rows to be changed in this transaction, with their symbols, which are not locked."""
        return self.select_for_update(of=("self",)).select_related("symbol")

    def first_open_ms(self) -> int | None:
        """Open time of the earliest candle, in ms; None where there is none."""
        return self._open_ms("open_time")

    def last_open_ms(self) -> int | None:
        """Open time of the latest candle, in ms; None where there is none."""
        return self._open_ms("-open_time")

    def _open_ms(self, order: str) -> int | None:
        open_time = self.order_by(order).values_list("open_time", flat=True).first()
        return None if open_time is None else to_ms(open_time)


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
    differed_since = models.DateTimeField(null=True)  # while that is not resolved

    objects = CandleQuerySet.as_manager()

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
        """True where its numbers were taken over from a kline that differed."""
        return bool(self.differed) and self.differed_since is None


class CandleRevision(models.Model):
    """A candle before it was revised, and why it was."""

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
