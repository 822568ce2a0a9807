"""Symbols that the exchange trades."""

from django.db import models

from foundation.fields import ExactDecimalField

TRADING = "TRADING"  # the exchange's word; of its others, all keep a market order from it
GONE = "GONE"  # our word for a symbol that the exchange no longer lists


class SymbolQuerySet(models.QuerySet["Symbol"]):
    def followed(self) -> "SymbolQuerySet":
        return self.filter(followed=True)


class Symbol(models.Model):
    """Symbol of the exchange, with its trading rules as the exchange last gave them.

    `filters` are the exchange's own, amounts as text; `market.rules.SymbolRules` reads them.
    `order_quantity` (base asset) overrides the size that orders have by default.
    """

    name = models.CharField(max_length=40, unique=True)  # BTCUSDT
    base_asset = models.CharField(max_length=20)
    quote_asset = models.CharField(max_length=20)
    status = models.CharField(max_length=20, default="TRADING")
    filters = models.JSONField(default=list)
    followed = models.BooleanField(default=False)
    order_quantity = ExactDecimalField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SymbolQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
