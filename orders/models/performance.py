"""Sums of closed positions, kept so that figures cost the same however many there are."""

from django.db import models

EVERYTHING = "*"  # the quote asset of the row that all others go by


class ResultSums(models.Model):
    """Sums over the closed positions of one strategy, or ("") of all, in one quote asset.

    The row of EVERYTHING says how far all of them go: up to the position that closed at `closed_at`
    and has the key `last_position`. Where one of those changes after all (a fill that came late),
    it is `stale`, and all are made anew. `exact` is false where a position paid a fee in a third
    asset: its result moves with that asset's price, and sums of its quote asset say nothing.
    """

    strategy = models.CharField(max_length=20, blank=True)
    quote_asset = models.CharField(max_length=20)
    closed_at = models.DateTimeField(null=True)
    last_position = models.BigIntegerField(default=0)
    stale = models.BooleanField(default=False)
    exact = models.BooleanField(default=True)
    sums = models.JSONField(default=dict)  # orders.core.sums

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "quote_asset"], name="one_row_of_sums_per_strategy_and_quote"
            )
        ]

    def __str__(self) -> str:
        return f"{self.strategy or 'all'} {self.quote_asset}"
