"""Symbols as parameters of REST endpoints."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from market.models import Symbol


def symbol_or_404(name: str) -> Symbol:
    """The symbol of that name, in any case of letters. Raises NotFound, which answers 404."""
    # PostgreSQL fails on a NUL instead of not finding it.
    symbol = Symbol.objects.filter(name=name.upper()).first() if name.isprintable() else None
    if symbol is None:
        raise NotFound(
            f"symbol {name!r} is unknown; GET /symbols lists the followed ones",
            code="unknown_symbol",
        )
    return symbol


@extend_schema_field({"type": "string", "example": "BTCUSDT"})
class SymbolParameter(serializers.Field[Symbol, str, str, Any]):
    """A symbol's name. One that nobody knows answers 404, not 400."""

    default_error_messages = {"invalid": "use the name of a symbol, as BTCUSDT"}

    def to_internal_value(self, data: Any) -> Symbol:
        if not isinstance(data, str):
            self.fail("invalid")
        return symbol_or_404(data)
